from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('sandbox', '0004_runtimes'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='servedentity',
            name='start_sent_to',
        ),
    ]
