"""Background work without its background: what the pages say and keep when Redis or the registry is away."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.urls import reverse
from django.utils import timezone

from quizzes import replays
from quizzes.labs import runs
from quizzes.models import CheckResult, Item, Lab, LabRun, Option, ProofRun
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def option(content: None) -> Option:
    item = Item.objects.get(key="custom-split-adds-up")
    assert item.current is not None
    found: Option = item.current.options.get(position=1)
    return found


@pytest.fixture
def lab(content: None) -> Lab:
    return Lab.objects.get()


def test_a_replay_that_cannot_be_queued_says_so(option: Option, instructor: User, sign_in: SignIn) -> None:
    answer = sign_in(instructor).post(reverse("prove", args=["options", option.pk]), headers={"HX-Request": "true"})
    run = ProofRun.objects.get()
    assert (run.state, run.message) == (ProofRun.State.ERROR, replays.NOT_YOURS)
    assert "Could not run" in answer.content.decode()
    assert "hx-trigger" not in answer.content.decode()


def test_a_replay_under_way_is_not_started_twice(option: Option, instructor: User) -> None:
    under_way = ProofRun.objects.create(user=instructor, option=option)
    assert replays.request_replay(instructor, option) == under_way


def test_a_replay_is_claimed_once(option: Option, instructor: User) -> None:
    run = ProofRun.objects.create(user=instructor, option=option)
    assert replays.claim(run.pk) == run
    assert replays.claim(run.pk) is None
    ProofRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - replays.LONGEST_RUN * 2)
    assert replays.claim(run.pk) == run


def test_a_replay_whose_worker_died_is_shown_as_ended(option: Option, instructor: User, sign_in: SignIn) -> None:
    run = ProofRun.objects.create(user=instructor, option=option, state=ProofRun.State.RUNNING)
    url = reverse("proof_run", args=[run.pk])
    assert 'hx-trigger="every 500ms' in sign_in(instructor).get(url, headers={"HX-Request": "true"}).content.decode()
    ProofRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=1))
    text = sign_in(instructor).get(url, headers={"HX-Request": "true"}).content.decode()
    assert "did not end in time" in text
    assert "hx-trigger" not in text


def test_few_replays_and_solutions_run_at_once(option: Option, instructor: User, lab: Lab) -> None:
    for _ in range(replays.MAX_RUNNING - 1):
        ProofRun.objects.create(user=instructor, option=option, state=ProofRun.State.RUNNING, started_at=timezone.now())
    assert not replays.is_crowded()
    LabRun.objects.create(user=instructor, lab=lab, solving_since=timezone.now())
    assert replays.is_crowded()


def test_a_replay_without_a_sandbox_ends_with_a_sentence(option: Option, instructor: User) -> None:
    run = ProofRun.objects.create(user=instructor, option=option)
    claimed = replays.claim(run.pk)
    assert claimed is not None
    replays.replay(claimed)
    run.refresh_from_db()
    assert run.state == ProofRun.State.ERROR
    assert run.message.startswith("The sandbox could not run the proof")
    assert run.confirmed is None


def test_a_lab_is_begun_once(lab: Lab, learner: User, sign_in: SignIn) -> None:
    client = sign_in(learner)
    for _ in range(2):
        client.post(reverse("lab_start", args=[lab.slug]))
    run = LabRun.objects.get()
    assert run.state == LabRun.State.SETTING_UP
    assert "The example models are being registered" in client.get(reverse("lab_run", args=[lab.slug])).content.decode()


def test_a_failed_set_up_is_said_and_can_be_tried_again(
    lab: Lab, learner: User, sign_in: SignIn, settings: LazySettings, tmp_path: Path
) -> None:
    (tmp_path / "no-folder").write_text("")
    settings.DATA_DIR = tmp_path / "no-folder"  # nothing can be registered here
    run = runs.start_run(learner, lab)
    runs.set_up(run)
    run.refresh_from_db()
    assert run.state == LabRun.State.SETUP_FAILED
    assert run.message == "The setup failed: the log of the site's control process says why."
    assert "Try the set-up again" in sign_in(learner).get(reverse("lab_run", args=[lab.slug])).content.decode()


def test_a_check_without_a_registry_is_an_error_and_never_a_failure(lab: Lab, learner: User, sign_in: SignIn) -> None:
    run = LabRun.objects.create(user=learner, lab=lab, state=LabRun.State.STARTED)
    client = sign_in(learner)
    text = client.post(reverse("lab_check", args=[run.pk]), headers={"HX-Request": "true"}).content.decode()
    verdicts = set(CheckResult.objects.filter(run=run).values_list("verdict", flat=True))
    assert verdicts == {"error"}
    assert "Could not check" in text
    assert "Not yet" not in text
    run.refresh_from_db()
    assert run.state == LabRun.State.STARTED


def test_each_round_of_checks_is_kept(lab: Lab, learner: User) -> None:
    run = LabRun.objects.create(user=learner, lab=lab, state=LabRun.State.STARTED)
    first, second = runs.check_run(run), runs.check_run(run)
    assert [result.round for result in (*first, *second)] == [1] * 4 + [2] * 4
    assert runs.latest_results(run) == second
    assert sum(result.weight for result in second) == 100


def test_an_ended_run_makes_room_for_a_new_one(lab: Lab, learner: User) -> None:
    first = runs.start_run(learner, lab)
    runs.end_run(first)
    second = runs.start_run(learner, lab)
    assert second.pk != first.pk
    assert runs.current_run(learner, lab) == second
