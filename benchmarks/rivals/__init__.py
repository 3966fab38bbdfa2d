"""What the connector is measured against, each as its own documentation would write it."""
