"""The little of GitHub's REST interface that the scripts need.

Which repository, where, and by whose leave is in the variables that GitHub Actions set:
`GITHUB_REPOSITORY`, `GITHUB_API_URL`, and `GITHUB_TOKEN`, which the workflow has to pass on.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

API = "https://api.github.com"
TIMEOUT = 30.0  # seconds


class GitHubError(Exception):
    """GitHub cannot be asked, or refuses; the message says what to do."""


class GitHub:
    """A repository.

    Args:
        environ: Where the variables are.

    Raises:
        GitHubError: A variable is missing.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN"):
            if not environ.get(name):
                raise GitHubError(f"{name} is not set: GitHub Actions set it, or the workflow does")
        url = environ.get("GITHUB_API_URL") or API
        self._base = f"{url}/repos/{environ['GITHUB_REPOSITORY']}"
        self._token = environ["GITHUB_TOKEN"]

    def keep_issue(self, label: str, title: str, body: str) -> str:
        """Have one open issue with a label, and with this text.

        Returns:
            What was done.
        """
        issue = self._open_issue(label)
        if issue is None:
            new = {"title": title, "body": body, "labels": [label]}
            return f"opened issue {self._ask('POST', '/issues', new)['number']}"
        if (issue["title"], issue["body"]) == (title, body):
            return f"issue {issue['number']} says so already"
        self._ask("PATCH", f"/issues/{issue['number']}", {"title": title, "body": body})
        return f"updated issue {issue['number']}"

    def close_issue(self, label: str, comment: str) -> str:
        """Have no open issue with a label: close it, if there is one, and say why.

        Returns:
            What was done.
        """
        issue = self._open_issue(label)
        if issue is None:
            return "there is no open issue"
        self._ask("POST", f"/issues/{issue['number']}/comments", {"body": comment})
        self._ask("PATCH", f"/issues/{issue['number']}", {"state": "closed"})
        return f"closed issue {issue['number']}"

    def release(self, tag: str, notes: str, files: list[Path]) -> str:
        """Publish a release of a tag that is there, with files.

        It is a draft until every file is there; one that a run before this left behind is redone.

        Returns:
            Where it is.
        """
        for old in self._ask("GET", "/releases?per_page=100"):
            if old["tag_name"] == tag and old["draft"]:
                self._ask("DELETE", f"/releases/{old['id']}")
        new = {"tag_name": tag, "name": tag, "body": notes, "draft": True}
        draft = self._ask("POST", "/releases", new)
        upload = draft["upload_url"].partition("{")[0]
        for file in files:
            url = f"{upload}?name={urllib.parse.quote(file.name)}"
            self._send("POST", url, file.read_bytes(), "application/octet-stream")
        return str(self._ask("PATCH", f"/releases/{draft['id']}", {"draft": False})["html_url"])

    def _open_issue(self, label: str) -> Any:
        query = urllib.parse.urlencode({"labels": label, "state": "open", "per_page": 100})
        issues = [
            issue for issue in self._ask("GET", f"/issues?{query}") if "pull_request" not in issue
        ]
        return min(issues, key=lambda issue: issue["number"], default=None)

    def _ask(self, method: str, path: str, value: object = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        return self._send(method, self._base + path, body, "application/json")

    def _send(self, method: str, url: str, body: bytes | None, content_type: str) -> Any:
        request = urllib.request.Request(  # noqa: S310 (of the scheme that GitHub Actions say)
            url,
            body,
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": content_type,
                "X-GitHub-Api-Version": "2022-11-28",
            },
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
                content = response.read()
                return json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            remedy = {
                401: "is GITHUB_TOKEN still valid?",
                403: "does the job have the permission?",
                404: "is it there, and does the job have the permission?",
            }.get(error.code, "look at the answer")
            answer = error.read(500).decode("utf-8", "replace")
            raise GitHubError(
                f"GitHub says {error.code} to {method} {urllib.parse.urlsplit(url).path}: "
                f"{remedy} {answer}"
            ) from None
        except (OSError, ValueError) as error:
            raise GitHubError(f"{method} {url}: {error}: try again later") from error
