"""A page to see the connector: pick an action, fill the form, watch the request change, run it, watch events arrive."""
