"""Call the parts of GitHub's REST API that the scripts need.

Repository, address and token come from variables of GitHub Actions: `GITHUB_REPOSITORY`,
`GITHUB_API_URL`, and `GITHUB_TOKEN`, which the workflow must pass on.
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
    """GitHub is unreachable or refuses a request; the message says what to do."""


class GitHub:
    """A repository on GitHub.

    Args:
        environ: The environment variables.

    Raises:
        GitHubError: If a variable is missing.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN"):
            if not environ.get(name):
                raise GitHubError(f"{name} is not set: run in GitHub Actions, or pass it on there")
        url = environ.get("GITHUB_API_URL") or API
        self._base = f"{url}/repos/{environ['GITHUB_REPOSITORY']}"
        self._token = environ["GITHUB_TOKEN"]

    def keep_issue(self, label: str, title: str, body: str) -> str:
        """Open an issue with a label, or update the open one.

        Returns:
            A description of the action taken.
        """
        issue = self._open_issue(label)
        if issue is None:
            new = {"title": title, "body": body, "labels": [label]}
            return f"opened issue {self._ask('POST', '/issues', new)['number']}"
        if (issue["title"], issue["body"]) == (title, body):
            return f"issue {issue['number']} is up to date"
        self._ask("PATCH", f"/issues/{issue['number']}", {"title": title, "body": body})
        return f"updated issue {issue['number']}"

    def close_issue(self, label: str, comment: str) -> str:
        """Close the open issue with a label, if there is one, with a comment.

        Returns:
            A description of the action taken.
        """
        issue = self._open_issue(label)
        if issue is None:
            return "there is no open issue"
        self._ask("POST", f"/issues/{issue['number']}/comments", {"body": comment})
        self._ask("PATCH", f"/issues/{issue['number']}", {"state": "closed"})
        return f"closed issue {issue['number']}"

    def release(self, tag: str, notes: str, files: list[Path]) -> str:
        """Publish a release of an existing tag, with files.

        The release stays a draft until all files are uploaded. A draft left by an earlier run is
        replaced.

        Returns:
            The address of the release.
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
        request = urllib.request.Request(  # noqa: S310 (GitHub Actions give the scheme)
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
                401: "check GITHUB_TOKEN",
                403: "check the permissions of the job",
                404: "check that it exists, and the permissions of the job",
            }.get(error.code, "read the response")
            answer = error.read(500).decode("utf-8", "replace")
            raise GitHubError(
                f"{method} {urllib.parse.urlsplit(url).path}: GitHub responds {error.code}: "
                f"{remedy}: {answer}"
            ) from None
        except (OSError, ValueError) as error:
            raise GitHubError(f"{method} {url}: {error}: try again later") from error
