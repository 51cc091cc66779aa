"""What a volume's page does, as Python (databricks-sdk) and curl; SQL has no words for it."""

from sandbox.console.catalog.code import python, three
from sandbox.console.samples import Sample
from sandbox.console.sdk_code import rest


def files(site_url: str, folder: str) -> list[Sample]:
    """List a folder of a volume, send a file into it, fetch it."""
    path = f"{folder}/data.csv"
    lines = (
        f"for entry in w.files.list_directory_contents({folder!r}):\n    print(entry.path, entry.file_size)\n\n"
        f'with open("data.csv", "rb") as file:\n    w.files.upload({path!r}, file, overwrite=True)\n\n'
        f"print(w.files.download({path!r}).contents.read())"
    )
    header = '  -H "Authorization: Bearer $DATABRICKS_TOKEN"'
    curl = (
        f'curl "{site_url}/api/2.0/fs/directories{folder}" \\\n{header}\n\n'
        f'curl -X PUT "{site_url}/api/2.0/fs/files{path}?overwrite=true" \\\n{header} \\\n  --data-binary @data.csv\n\n'
        f'curl -O "{site_url}/api/2.0/fs/files{path}" \\\n{header}'
    )
    return three("", python(site_url, lines), curl)


def delete_file(site_url: str, path: str, *, is_folder: bool) -> list[Sample]:
    method, area = ("delete_directory", "directories") if is_folder else ("delete", "files")
    return three("", python(site_url, f"w.files.{method}({path!r})"), rest(site_url, "DELETE", f"/api/2.0/fs/{area}{path}"))
