"""The settings of the example project."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "for development only")
INSTALLED_APPS = ["billing", "kafka_parallel_plugins.django"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", "billing.db"),
        "OPTIONS": {"timeout": 60},
    }
}
KAFKA_PARALLEL = {
    "billing": {
        "HANDLER": "billing.handlers.bill",
        "TOPICS": [os.environ.get("TOPIC", "orders")],
        "CONSUMER": {
            "group_id": os.environ.get("GROUP", "billing"),
            "bootstrap_servers": os.environ.get("BOOTSTRAP_SERVERS", "localhost:9092"),
            "auto_offset_reset": "earliest",
        },
        "OPTIONS": {"workers": 8, "plugins": ["retry"]},
    }
}
