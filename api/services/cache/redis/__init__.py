"""The store that all workers and replicas share."""
