"""python-tuf's client behind a pipe: one line of JSON in is one run, one line out its outcome.

Run by the interpreter of a virtual environment that has the packages `tuf` and
`securesystemslib[crypto]`; knows nothing of our code.

In:  {"metadata": DIR, "targets": DIR, "files": {name: base64}, "contents": {path: base64},
      "status": {name: HTTP status}, "names": [target, ...]}
Out: {"refresh": true, "said": "...", "targets": [true, ...]}
"""
import base64
import json
import logging
import os
import sys
import warnings
from urllib.parse import unquote

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")


class Fetcher(FetcherInterface):
    def __init__(self, run):
        self.run = run

    def _fetch(self, url):
        kind, name = url.removeprefix("http://x/").split("/", 1)
        name = unquote(name)
        status = self.run["status"].get(name, 200)
        data = self.run["files" if kind == "metadata" else "contents"].get(name)
        if kind == "targets" and data is None:  # HASH.name
            folder, slash, last = name.rpartition("/")
            data = self.run["contents"].get(folder + slash + last.partition(".")[2])
        if status != 200 or data is None:
            raise DownloadHTTPError("", 404 if status == 200 else status)
        yield base64.b64decode(data)


def follow(run):
    outcome = {"refresh": False, "said": "", "targets": []}
    os.makedirs(run["targets"], exist_ok=True)
    try:
        with open(os.path.join(run["metadata"], "root.json"), "rb") as file:
            root = file.read()
        updater = Updater(run["metadata"], "http://x/metadata/", run["targets"],
                          "http://x/targets/", fetcher=Fetcher(run), bootstrap=root)
        updater.refresh()
        outcome["refresh"] = True
        for name in run["names"]:
            info = updater.get_targetinfo(name)
            if info is None:
                raise LookupError(name)
            if not updater.find_cached_target(info):
                updater.download_target(info)
            outcome["targets"].append(True)
    except Exception as error:  # whatever it raises, it has refused
        outcome["said"] = f"{type(error).__name__}: {error} / {error.__cause__!r}"
    return outcome


def main():
    for line in sys.stdin:
        print(json.dumps(follow(json.loads(line))), flush=True)


main()
