import json, os, httpx  # noqa: E401, I001

with httpx.Client(headers={"Authorization": f"Bearer {os.environ['ZOOM_ACCESS_TOKEN']}"}) as client:
    answer = client.get(f"{os.environ['ZOOM_BASE_URL']}/users/me").raise_for_status()
    print(json.dumps(answer.json(), indent=2))
