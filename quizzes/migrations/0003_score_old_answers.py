"""Answers from before there were other kinds: the chosen option's position, and a point for the key."""

from typing import Any

from django.db import migrations


def score_old_answers(apps: Any, schema_editor: Any) -> None:
    responses = apps.get_model("quizzes", "Response").objects.using(schema_editor.connection.alias)
    responses.filter(option__is_key=True).update(score=1.0)
    for position in responses.order_by().values_list("option__position", flat=True).distinct():
        responses.filter(option__position=position).update(answer=[position])


class Migration(migrations.Migration):
    dependencies = [("quizzes", "0002_items_of_five_kinds")]

    operations = [migrations.RunPython(score_old_answers, migrations.RunPython.noop)]
