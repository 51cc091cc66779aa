"""An endpoint's creator is named by the e-mail address, which may be longer than a user name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0010_feature_faults")]

    operations = [
        migrations.AlterField(model_name="endpoint", name="creator", field=models.CharField(max_length=254)),
    ]
