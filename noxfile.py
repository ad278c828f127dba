"""What can be run on this project; `nox -l` lists it, `scripts/bootstrap.py` needs no nox."""

import os
import shutil
import sys
from pathlib import Path

import nox
import nox.command

nox.needs_version = ">=2026.10"
nox.options.sessions = ["lint", "typecheck", "drift", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ["examples", "facade", "scripts", "tests", "noxfile.py"]
EXTRAS = ["cdr", "cli", "sandbox"]
PRISM = "@stoplight/prism-cli@5.14.2"  # the last one for Node.js 20
NODE_SDK = "@sinch/voice@1.4.0"


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on the embedded sandbox."""
    install_wheel(session, "cdr", "sandbox")
    session.run("python", "scripts/demo.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Test the built wheel on the interpreter that runs this."""
    run_tests(session)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests, and tell which lines and branches of the facade they do not reach."""
    install_groups(session, "test", "coverage")
    install_wheel(session, *EXTRAS)
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session(python=nox.project.python_versions(PROJECT))
def matrix(session: nox.Session) -> None:
    """Test the built wheel on every supported Python that is here."""
    run_tests(session)


@nox.session
def lowest(session: nox.Session) -> None:
    """Test the built wheel with the lowest versions of what it needs that pyproject.toml allows."""
    install_groups(session, "uv")
    pins = Path(session.create_tmp(), "lowest.txt")
    session.run(
        *("uv", "pip", "compile", "pyproject.toml", "--quiet", "--resolution=lowest-direct"),
        *(f"--extra={extra}" for extra in EXTRAS),
        *("--python", str(Path(session.bin, "python")), "--output-file", str(pins)),
    )
    session.install("-r", str(pins))
    session.install("-c", str(pins), *nox.project.dependency_groups(PROJECT, "test"))
    install_wheel(session, *EXTRAS)
    # A tool of the tests would take jsonschema-rs because it is there, and needs a newer one.
    env = {"OPENAPI_SPEC_VALIDATOR_SCHEMA_VALIDATOR_BACKEND": "jsonschema"}
    session.run("pytest", *session.posargs, env=env)


@nox.session
def schemathesis(session: nox.Session) -> None:
    """Make up requests, good and bad, and judge the sandbox by the strict specifications."""
    run_judge(session, "schemathesis")


@nox.session
def prism(session: nox.Session) -> None:
    """Let Prism judge the client, and in between client and sandbox."""
    folder = install_from_npm(session, PRISM)
    command = folder / "node_modules" / ".bin" / "prism"
    run_judge(session, "prism", group="judge", env={"PRISM": str(command)})


@nox.session
def vendor_sdk(session: nox.Session) -> None:
    """Use the vendor's last SDK for Python with Voice v1 as a client of the sandbox."""
    run_judge(session, "vendor-sdk")


@nox.session
def node_sdk(session: nox.Session) -> None:
    """Use the vendor's SDK for Node.js as a client of the sandbox, and let it verify callbacks."""
    folder = install_from_npm(session, NODE_SDK)
    # The SDK reads its version in a package that it does not install.
    core = folder / "node_modules" / "@sinch" / "sdk-core"
    core.mkdir(exist_ok=True)
    (core / "package.json").write_text('{"version": "1.4.0"}', encoding="utf-8")
    run_judge(session, "node-sdk", group="judge", env={"NODE_PATH": str(folder / "node_modules")})


@nox.session
def openapi_core(session: nox.Session) -> None:
    """Let openapi-core judge what client and sandbox say to each other."""
    run_judge(session, "openapi-core")


@nox.session
def interop(session: nox.Session) -> None:
    """Try tools that record, patch, trace and log HTTP clients, and pass errors on."""
    install_groups(session, "interop")
    install_wheel(session, "sandbox")
    session.run("pytest", "tests/interop/tools.py", *session.posargs)


@nox.session
def endurance(session: nox.Session) -> None:
    """Faults by the thousand, forged callbacks by the hundred thousand, crowds of threads."""
    run_files(session, "tests/endurance")


@nox.session
def endurance_cdr(session: nox.Session) -> None:
    """Damaged files by the hundred thousand, an archive that is killed again and again."""
    run_files(session, "tests/endurance_cdr")


@nox.session
def frameworks(session: nox.Session) -> None:
    """Serve the recipes of docs/how-to/callbacks.md with their frameworks, and call them back."""
    install_groups(session, "frameworks")
    install_wheel(session, "sandbox")
    session.run("pytest", "tests/frameworks/recipes.py", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Run each file of examples/ with its framework, against a sandbox."""
    install_groups(session, "examples")
    install_wheel(session, "cdr", "cli", "sandbox")
    session.run("pytest", "tests/examples/running.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site, and check its links, names and requests."""
    install_groups(session, "docs")
    install_wheel(session, *EXTRAS)
    session.run("python", "scripts/docs_site.py")
    session.run("pytest", "tests/site/built.py", *session.posargs)


@nox.session
def s3(session: nox.Session) -> None:
    """Load from a bucket of moto with s3fs, over a line that is cut, stalled and tampered with."""
    install_groups(session, "s3")
    install_wheel(session, "cdr", "cli", "sandbox")
    session.run("pytest", "tests/s3/on_s3.py", *session.posargs)


@nox.session
def arrow(session: nox.Session) -> None:
    """Let pyarrow, polars and pandas read what an archive gives them."""
    install_groups(session, "arrow")
    install_wheel(session, "cdr", "sandbox")
    session.run("pytest", "tests/arrow/readers.py", *session.posargs)


@nox.session
def spark(session: nox.Session) -> None:
    """Compare the KPIs on Spark with DuckDB and with plain Python; needs Java 17 or later."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which(Path(home, "bin", "java") if home else "java") is None:
        session.skip("no Java: install a JDK, 17 or later, or set JAVA_HOME")
    install_groups(session, "test", "spark")
    install_wheel(session, "cdr", "sandbox")
    session.run("pytest", "tests/kpis/on_spark.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting, the safety of the workflows, and that pins are current."""
    install_groups(session, "lint", "uv")
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("zizmor", "--offline", "--pedantic", "--strict-collection", ".github/workflows")
    session.run("python", "scripts/pins.py", "--check")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types with two checkers; tests/typing/api.py is how users would write."""
    session.install(*PROJECT["project"]["dependencies"])
    for extra in EXTRAS:
        session.install(*PROJECT["project"]["optional-dependencies"][extra])
    install_groups(session, "typecheck")
    session.run("mypy")
    session.run("pyright")


@nox.session
def pins(session: nox.Session) -> None:
    """Write requirements/ from the groups in pyproject.toml; -- --upgrade takes newer versions."""
    install_groups(session, "uv")
    session.run("python", "scripts/pins.py", *session.posargs)


@nox.session
def regenerate(session: nox.Session) -> None:
    """Make generated/ anew from openapi/."""
    install_groups(session, "generate")
    session.run("python", "scripts/regenerate.py")


@nox.session
def drift(session: nox.Session) -> None:
    """Fail if generated/ is not what `regenerate` would make of openapi/, or that not as locked."""
    install_groups(session, "generate")
    session.run("python", "scripts/drift.py")


@nox.session
def upstream(session: nox.Session) -> None:
    """Compare what the vendor publishes today, or what is at a URL or in a FILE, with openapi/."""
    install_groups(session, "generate")
    session.install(*PROJECT["project"]["dependencies"])
    session.run("python", "scripts/upstream.py", *session.posargs)


@nox.session
def spec_diff(session: nox.Session) -> None:
    """Tell what changed between two OpenAPI documents: -- OLD NEW, files or git:REV:path."""
    install_groups(session, "generate")
    session.run("python", "-m", "spec_diff", *session.posargs, env={"PYTHONPATH": "scripts"})


@nox.session
def drift_study(session: nox.Session) -> None:
    """Edit three documents, harmlessly and not, and count false alarms and misses of spec_diff."""
    install_groups(session, "test")
    session.run("python", "tests/specs/alarm_study.py")


@nox.session(reuse_venv=False)
def bench(session: nox.Session) -> None:
    """Measure speed, each figure against a baseline of the same run."""
    install_wheel(session)
    session.run("python", "scripts/bench.py", "imports")
    install_groups(session, "arrow")  # for cdr-others
    install_wheel(session, "cdr", "sandbox")
    names = "signing callbacks calls load callouts fleet".split()
    names += "cdr cdr-archive cdr-daily cdr-many cdr-scan cdr-others".split()
    session.run("python", "scripts/bench.py", *(session.posargs or names))


@nox.session
def api_diff(session: nox.Session) -> None:
    """Compare what users rely on with the last tag, a revision, or what is recorded."""
    install_groups(session, "promise")
    install_wheel(session, *EXTRAS)
    session.run("python", "scripts/api_diff.py", *session.posargs)


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, with nothing installed but the pinned build tool."""
    shutil.rmtree("dist", ignore_errors=True)
    install_groups(session, "build")
    # The dates in them come from SOURCE_DATE_EPOCH, or are hatchling's own.
    session.run("python", "-m", "hatchling", "build", "-d", "dist", silent=True)


@nox.session(reuse_venv=False)
def check_dist(session: nox.Session) -> None:
    """Check what is in dist/: contents, the same bytes twice, use in an empty environment."""
    install_wheel(session, "sandbox")
    session.run("python", "scripts/check_dist.py", "dist")


@nox.session
def sbom(session: nox.Session) -> None:
    """Write the software bill of materials (CycloneDX) into sbom/."""
    install_groups(session, "uv")
    session.run("python", "scripts/bill_of_materials.py", "sbom")


@nox.session
def drift_issue(session: nox.Session) -> None:
    """Compare as `upstream` does, and keep one issue on GitHub that says what was found."""
    install_groups(session, "generate")
    session.install(*PROJECT["project"]["dependencies"])
    session.run("python", "scripts/drift_issue.py", *session.posargs)


@nox.session(venv_backend="none")
def release_notes(session: nox.Session) -> None:
    """Print the section of CHANGELOG.md for a tag, and fail if the tag cannot be released."""
    session.run(sys.executable, "scripts/release.py", "notes", *session.posargs)


@nox.session(venv_backend="none")
def github_release(session: nox.Session) -> None:
    """Make a release on GitHub of a tag, with its section of CHANGELOG.md, dist/ and sbom/."""
    session.run(sys.executable, "scripts/release.py", "publish", *session.posargs)


def run_tests(session: nox.Session) -> None:
    install_groups(session, "test", "parallel")
    install_wheel(session, *EXTRAS)
    everything = ("-n", "auto", "--maxprocesses=4", "--dist=worksteal")
    session.run("pytest", *(session.posargs or everything))


def run_files(session: nox.Session, folder: str) -> None:
    """Run files that are not named test_…, as they take longer than a test may."""
    install_groups(session, "test")
    install_wheel(session, "cdr", "sandbox")
    files = sorted(str(file) for file in Path(folder).glob("*.py"))
    patience = ("-o", "faulthandler_timeout=12000")  # seconds for one of them
    session.run("pytest", "--capture=no", *patience, *files, *session.posargs)


def run_judge(
    session: nox.Session, name: str, *, group: str = "", env: dict[str, str] | None = None
) -> None:
    install_groups(session, group or f"judge-{name}")
    install_wheel(session, "sandbox")
    # Not named test_…: the environment of all tests has none of these packages.
    judge = f"tests/judges/judge_{name.replace('-', '_')}.py"
    session.run("pytest", judge, *session.posargs, env=env)


def install_from_npm(session: nox.Session, package: str) -> Path:
    """Install a package for Node.js into a folder of the session, or skip the session."""
    npm = shutil.which("npm")
    if npm is None:
        session.skip(f"{package} needs Node.js and npm, and there is no npm")
    folder = Path(session.create_tmp(), "npm")
    if not (folder / "package-lock.json").exists():  # written last
        quiet = ("--no-audit", "--no-fund", "--fetch-retries=1")
        try:
            session.run(
                npm, "install", *quiet, "--prefix", str(folder), package, external=True, silent=True
            )
        except nox.command.CommandFailed:
            session.skip(f"npm cannot install {package} here")
    return folder


def install_groups(session: nox.Session, *names: str) -> None:
    """Install dependency groups, those with a file in requirements/ by its hashes."""
    files = {name: Path("requirements", f"{name}.txt") for name in names}
    others = [name for name, file in files.items() if not file.exists()]
    for file in files.values():
        if file.exists():
            session.install("--require-hashes", "-r", str(file))
    if others:
        session.install(*nox.project.dependency_groups(PROJECT, *others))


def install_wheel(session: nox.Session, *extras: str) -> None:
    """Install the wheel that the tree builds, not the tree."""
    folder = Path(session.create_tmp()) / "wheel"
    for old in folder.glob("*.whl"):
        old.unlink()
    install_groups(session, "build")
    session.run("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), silent=True)
    (wheel,) = folder.glob("*.whl")
    session.install(f"{wheel}[{','.join(extras)}]" if extras else str(wheel))
    # The version is the same while the content may not be.
    session.install("--force-reinstall", "--no-deps", str(wheel))
