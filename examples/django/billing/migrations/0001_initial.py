"""Makes the table of invoices."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("topic_partition", models.IntegerField()),
                ("topic_offset", models.BigIntegerField()),
                ("amount", models.IntegerField()),
            ],
        )
    ]
