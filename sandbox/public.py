"""ALL that `quizzes` may use of the sandbox: functions and frozen dataclasses."""
