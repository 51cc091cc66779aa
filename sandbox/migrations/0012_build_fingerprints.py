"""Builds are found again by what went into them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0011_longer_creators")]

    operations = [
        migrations.AddField(
            model_name="modelbuild",
            name="fingerprint",
            field=models.CharField(blank=True, db_index=True, max_length=64),
        ),
    ]
