"""How gunicorn serves: its worker, its start and its stop."""
