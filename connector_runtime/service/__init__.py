"""The connector over HTTP: catalogue, runs, connections and webhooks for many tenants. Needs the extra `service`."""
