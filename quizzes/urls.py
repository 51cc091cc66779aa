"""Pages of the study side."""

from django.urls import path, re_path

from quizzes.views import attempts, author, editor, exchange, home, instructor, items, joining, key_fixes, labs, study

learner_urls = [
    path("", home.home, name="home"),
    path("study/", study.study, name="study"),
    path("study/start/", study.start_drill, name="start_drill"),
    path("study/<slug:exam_slug>/", study.exam, name="exam"),
    path("study/<slug:exam_slug>/<slug:objective_slug>/", study.objective, name="objective"),
    path("attempts/<int:attempt_id>/", attempts.attempt, name="attempt"),
    path("attempts/<int:attempt_id>/responses/<int:position>/", attempts.answer, name="answer"),
    path("attempts/<int:attempt_id>/finish/", attempts.finish, name="finish_attempt"),
    path("attempts/<int:attempt_id>/result/", attempts.result, name="attempt_result"),
    path("items/<int:item_id>/", items.item, name="item"),
    path("items/<int:item_id>/report/", items.report, name="report_problem"),
    re_path(r"^items/(?P<kind>options|versions|variants)/(?P<target_id>\d{1,18})/prove/$", items.prove, name="prove"),
    path("proofs/<int:run_id>/", items.proof_run, name="proof_run"),
    path("join/", joining.join, name="join"),
    path("join/<slug:code>/", joining.join, name="join_with"),
]

lab_urls = [
    path("labs/", labs.labs, name="labs"),
    path("labs/<slug:slug>/", labs.lab_run, name="lab_run"),
    path("labs/<slug:slug>/start/", labs.start, name="lab_start"),
    path("labs/runs/<int:run_id>/check/", labs.check, name="lab_check"),
    path("labs/runs/<int:run_id>/solve/", labs.solve, name="lab_solve"),
    path("labs/runs/<int:run_id>/end/", labs.end, name="lab_end"),
]

instructor_urls = [
    path("teach/", instructor.teach, name="teach"),
    path("teach/<int:cohort_id>/progress/", instructor.progress_page, name="cohort_progress"),
    path("teach/<int:cohort_id>/progress.csv", instructor.progress_csv, name="cohort_progress_csv"),
]

author_urls = [
    path("author/", author.bank, name="author_bank"),
    path("author/new/", editor.new, name="author_new"),
    path("author/items/<slug:key>/", author.item, name="author_item"),
    path("author/items/<slug:key>/edit/", editor.edit, name="author_edit"),
    path("author/items/<slug:key>/create/", editor.create, name="author_create"),
    path("author/items/<slug:key>/draft/", editor.redraw, name="author_redraw"),
    path("author/items/<slug:key>/preview/", editor.preview, name="author_preview"),
    path("author/items/<slug:key>/prove/", editor.prove_draft, name="prove_draft"),
    re_path(r"^author/items/(?P<key>[-\w]+)/quarantine/(?P<to>on|off)/$", author.switch_quarantine, name="switch_quarantine"),
    path("author/items/<slug:key>/key/", key_fixes.fix_key, name="fix_key"),
    path("author/key-fixes/<int:fix_id>/", key_fixes.key_fix, name="key_fix"),
    path("author/import/", exchange.import_items, name="import_items"),
    path("author/import/<int:run_id>/", exchange.import_run, name="import_run"),
    path("author/import/<int:run_id>/confirm/", exchange.confirm_import, name="confirm_import"),
    path("author/import/<int:run_id>/discard/", exchange.discard_import, name="discard_import"),
    path("author/export/", exchange.export_items, name="export_items"),
    re_path(r"^author/export/(?P<what>file|losses)/$", exchange.export_file, name="export_file"),
    path("author/drafts/<int:run_id>/", editor.draft_proof, name="draft_proof"),
    path("author/reports/<int:report_id>/close/", author.close_report, name="close_report"),
]

urlpatterns = [*learner_urls, *lab_urls, *instructor_urls, *author_urls]
