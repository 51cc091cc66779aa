from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sandbox', '0002_permissions_and_stopping'),
    ]

    operations = [
        migrations.AddField(
            model_name='servedentity',
            name='asked_replicas',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='servedentity',
            name='placement',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='servedentity',
            name='window_replicas',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='servedentity',
            name='window_started_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
