/* A Zoom that answers at once: a thread for each connection, answers prepared at the start.
 *
 *   stub FOLDER        prints its port, serves until its standard input ends
 *
 * FOLDER holds user.json, meeting.json, token.json and users.json (one user a line).
 * GET  /N/v2/users?page_size=..&next_page_token=..   one page of a list of N users
 * GET  /N/v2/users/..                                a user
 * POST /N/v2/users/.../meetings                      a meeting
 * POST /oauth/token                                  a token
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 300
static char *users, *small[3];
static size_t ends[MOST + 1], lengths[3];
enum { USER, MEETING, TOKEN };

static char *read_file(const char *folder, const char *name, size_t *length) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) { perror(path); exit(1); }
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    char *text = malloc(*length + 1);
    if (fread(text, 1, *length, file) != *length) exit(1);
    text[*length] = 0;
    fclose(file);
    return text;
}

static int put(int to, struct iovec *parts, int count) {
    while (count) {
        ssize_t sent = writev(to, parts, count);
        if (sent <= 0) return -1;
        while (count && (size_t)sent >= parts->iov_len) { sent -= parts->iov_len; parts++; count--; }
        if (count) { parts->iov_base = (char *)parts->iov_base + sent; parts->iov_len -= sent; }
    }
    return 0;
}

static int head(char *text, size_t room, int status, size_t length) {
    return snprintf(text, room,
        "HTTP/1.1 %d OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: %zu\r\n"
        "x-zm-trackingid: v=2.0;clid=aw1;rid=WEB_0123456789abcdef\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\r\n",
        status, length);
}

static int answer(int to, const char *request) {
    char top[512], start[256];
    const char *line = strchr(request, '\n');
    const char *question = memchr(request, '?', line - request);
    const char *list = strstr(request, "/v2/users?");
    if (!list || list > line) {
        int which = *request == 'G' ? USER : strncmp(request, "POST /oauth/", 12) ? MEETING : TOKEN;
        int length = head(top, sizeof top, which == MEETING ? 201 : 200, lengths[which]);
        struct iovec parts[] = {{top, length}, {small[which], lengths[which]}};
        return put(to, parts, 2);
    }
    long total = strtol(strchr(request, '/') + 1, NULL, 10), size = 30, at = 0;
    const char *parameter = strstr(question, "page_size=");
    if (parameter && parameter < line) size = strtol(parameter + 10, NULL, 10);
    parameter = strstr(question, "next_page_token=p");
    if (parameter && parameter < line) at = strtol(parameter + 17, NULL, 10);
    if (size < 1 || size > MOST) size = MOST;
    long count = total - at < size ? total - at : size;
    if (count < 0) count = 0;
    char token[32] = "";
    if (at + count < total) snprintf(token, sizeof token, "p%ld", at + count);
    int before = snprintf(start, sizeof start,
        "{\"page_size\":%ld,\"total_records\":%ld,\"next_page_token\":\"%s\",\"users\":[", size, total, token);
    size_t middle = count ? ends[count] : 0;
    int length = head(top, sizeof top, 200, before + middle + 2);
    struct iovec parts[] = {{top, length}, {start, before}, {users, middle}, {"]}", 2}};
    return put(to, parts, 4);
}

static void *serve(void *argument) {
    int from = (int)(long)argument;
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room + 1);
    for (;;) {
        ssize_t got = read(from, text + used, room - used);
        if (got <= 0) break;
        used += got;
        text[used] = 0;
        char *next = text, *end;
        while ((end = strstr(next, "\r\n\r\n"))) {
            *end = 0;
            char *header = strcasestr(next, "\r\ncontent-length:");
            size_t body = header ? strtoul(header + 17, NULL, 10) : 0;
            *end = '\r';
            if (end + 4 + body > text + used) break;
            if (answer(from, next)) goto out;
            next = end + 4 + body;
        }
        used -= next - text;
        memmove(text, next, used);
        if (used == room) break;
    }
out:
    close(from);
    free(text);
    return NULL;
}

static void *accepting(void *argument) {
    int from = (int)(long)argument, one = 1;
    pthread_attr_t kind;
    pthread_attr_init(&kind);
    pthread_attr_setdetachstate(&kind, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&kind, 1 << 16);
    for (;;) {
        int got = accept(from, NULL, NULL);
        if (got < 0) continue;
        setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_t thread;
        if (pthread_create(&thread, &kind, serve, (void *)(long)got)) close(got);
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    small[USER] = read_file(arguments[1], "user.json", &lengths[USER]);
    small[MEETING] = read_file(arguments[1], "meeting.json", &lengths[MEETING]);
    small[TOKEN] = read_file(arguments[1], "token.json", &lengths[TOKEN]);
    size_t length, lines = 0;
    users = read_file(arguments[1], "users.json", &length);
    for (size_t at = 0; at < length; at++)
        if (users[at] == '\n' && lines < MOST) { users[at] = ','; ends[++lines] = at; }
    if (lines != MOST) { fprintf(stderr, "users.json must have %d lines\n", MOST); return 1; }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int port = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(port, (void *)&address, sizeof address) || listen(port, 1024)) { perror("bind"); return 1; }
    getsockname(port, (void *)&address, &size);
    pthread_t thread;
    pthread_create(&thread, NULL, accepting, (void *)(long)port);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
