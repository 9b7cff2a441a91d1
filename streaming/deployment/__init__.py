"""What `manage.py check --deploy` refuses: settings that are fine on a laptop and nowhere else, as rules by subject."""
