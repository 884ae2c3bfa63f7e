"""Files of ours and of others that are served as they are."""
