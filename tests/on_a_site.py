"""`python -m tests.on_a_site COMMAND …`: run a management command against a whole site that lives only for it.

`{url}` in an argument becomes the site's address.
"""

import shutil
import subprocess
import sys

from tests.stack import ROOT, Stack


def main() -> int:
    with Stack(FIXTURES_DIR=str(ROOT / "fixtures")) as site:  # what is recorded belongs into the repository
        arguments = [argument.replace("{url}", site.url) for argument in sys.argv[1:]]
        status = subprocess.run([sys.executable, str(ROOT / "manage.py"), *arguments], env=site.environment()).returncode
        if status != 0:
            print(site.log_tails(), file=sys.stderr)
    shutil.rmtree(site.data_dir, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
