from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('sandbox', '0003_replicas_in_number'),
    ]

    operations = [
        migrations.AddField(
            model_name='modelbuild',
            name='runtime',
            field=models.CharField(default='onnx', max_length=16),
        ),
        migrations.AddField(
            model_name='servedentity',
            name='runtime',
            field=models.CharField(blank=True, max_length=16),
        ),
    ]
