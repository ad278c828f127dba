"""The nox sessions: `nox -l` lists them, `scripts/bootstrap.py` runs them without nox."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
import nox.command

nox.needs_version = ">=2026.10"
nox.options.sessions = ["lint", "typecheck", "drift", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.allow_parallel = True
# Modules are compiled at their first import, as a session imports few of those that it installs:
# uv does not compile them, and pip takes this value for that of its option --no-compile.
os.environ["PIP_NO_COMPILE"] = "0"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PROJECT = nox.project.load_toml("pyproject.toml")
CODE = ["examples", "facade", "scripts", "tests", "noxfile.py"]
EXTRAS = ["cdr", "cli", "sandbox", "xlsx"]
WHEELS: list[Path] = []
PRISM = "@stoplight/prism-cli@5.14.2"  # the last version for Node.js 20
NODE_SDK = "@sinch/voice@1.4.0"
AXE = "axe-core@4.14.1"
UV_SETTINGS = {  # of pip, which uv does not read
    "cert": "SSL_CERT_FILE",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
}


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main use case on the embedded sandbox; -- --console opens a telephone instead."""
    if session.posargs:
        install_groups(session, "demo")
        install_wheel(session, "sandbox")
    else:
        install_wheel(session, "cdr", "sandbox")
    session.run("python", "scripts/demo.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Test the built wheel on the current Python."""
    run_tests(session)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and report the lines and branches of the facade that they do not reach."""
    install_groups(session, "test", "coverage")
    install_wheel(session, *EXTRAS)
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session(python=nox.project.python_versions(PROJECT))
def matrix(session: nox.Session) -> None:
    """Test the built wheel on every supported and installed Python."""
    run_tests(session)


@nox.session
def lowest(session: nox.Session) -> None:
    """Test the built wheel with the lowest versions of dependencies in pyproject.toml."""
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
    # openapi-spec-validator would use the installed jsonschema-rs, but needs a newer version.
    env = {"OPENAPI_SPEC_VALIDATOR_SCHEMA_VALIDATOR_BACKEND": "jsonschema"}
    session.run("pytest", *session.posargs, env=env)


@nox.session
def schemathesis(session: nox.Session) -> None:
    """Generate valid and invalid requests, and check the sandbox by the strict specifications."""
    run_judge(session, "schemathesis")


@nox.session
def prism(session: nox.Session) -> None:
    """Check the client with Prism as a mock server, and as a proxy in front of the sandbox."""
    folder = install_from_npm(session, PRISM)
    command = folder / "node_modules" / ".bin" / "prism"
    run_judge(session, "prism", group="judge", env={"PRISM": str(command)})


@nox.session
def vendor_sdk(session: nox.Session) -> None:
    """Run the vendor's last Python SDK with Voice v1 against the sandbox."""
    run_judge(session, "vendor-sdk")


@nox.session
def node_sdk(session: nox.Session) -> None:
    """Run the vendor's Node.js SDK against the sandbox, and verify callbacks with it."""
    folder = install_from_npm(session, NODE_SDK)
    # The SDK reads its version from a package that it does not install.
    core = folder / "node_modules" / "@sinch" / "sdk-core"
    core.mkdir(exist_ok=True)
    (core / "package.json").write_text('{"version": "1.4.0"}', encoding="utf-8")
    run_judge(session, "node-sdk", group="judge", env={"NODE_PATH": str(folder / "node_modules")})


@nox.session
def openapi_core(session: nox.Session) -> None:
    """Check recorded requests and responses of client and sandbox with openapi-core."""
    run_judge(session, "openapi-core")


@nox.session
def interop(session: nox.Session) -> None:
    """Test the client with tools for recording, patching, tracing, logging and task queues."""
    install_groups(session, "interop")
    install_wheel(session, "sandbox")
    session.run("pytest", "tests/interop/tools.py", *session.posargs)


@nox.session
def endurance(session: nox.Session) -> None:
    """Test under thousands of faults, 100,000s of forged callbacks, and many threads."""
    run_files(session, "tests/endurance")


@nox.session
def endurance_cdr(session: nox.Session) -> None:
    """Test 100,000s of damaged files, and an archive that is killed repeatedly."""
    run_files(session, "tests/endurance_cdr")


@nox.session
def frameworks(session: nox.Session) -> None:
    """Serve the recipes of docs/how-to/callbacks.md with their frameworks, and call back."""
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
def browser(session: nox.Session) -> None:
    """Use the sandbox's console and the report of records in Chromium, checked with axe."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        session.skip("no Chromium: install Debian's package chromium, or set CHROMIUM")
    folder = install_from_npm(session, AXE)
    install_groups(session, "browser")
    install_wheel(session, "cdr", "cli", "report", "sandbox")
    axe = folder / "node_modules" / "axe-core" / "axe.min.js"
    env = {"AXE": str(axe), "CHROMIUM": chromium}
    files = ("tests/browser/console.py", "tests/browser/report_page.py")
    session.run("pytest", "-n", "2", "--dist=worksteal", *(session.posargs or files), env=env)


@nox.session
def s3(session: nox.Session) -> None:
    """Read and write a moto bucket with s3fs over a connection that is cut and corrupted."""
    install_groups(session, "s3")
    install_wheel(session, "cdr", "cli", "sandbox")
    session.run("pytest", "tests/s3/on_s3.py", "tests/s3/lake_on_s3.py", *session.posargs)


@nox.session
def arrow(session: nox.Session) -> None:
    """Read the output of an archive with pyarrow, polars, pandas and deltalake."""
    install_groups(session, "arrow")
    install_wheel(session, "cdr", "cli", "delta", "sandbox")
    session.run("pytest", "tests/arrow/readers.py", "tests/arrow/on_delta.py", *session.posargs)


@nox.session
def spark(session: nox.Session) -> None:
    """Read files on a cluster of Spark that loses a worker, and compute KPIs; needs Java 17."""
    if not has_java():
        session.skip("no Java: install a JDK, 17 or later, or set JAVA_HOME")
    install_groups(session, "spark")
    install_wheel(session, "cli", "sandbox", "spark")
    files = ("tests/spark/on_cluster.py", "tests/kpis/on_spark.py")
    session.run("pytest", *(session.posargs or files))


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
    """Check types with mypy and pyright, including the user code in tests/typing/api.py."""
    extras = PROJECT["project"]["optional-dependencies"]
    needed = [each for extra in (*EXTRAS, "report") for each in extras[extra]]
    session.install(*PROJECT["project"]["dependencies"], *needed)
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
    """Generate generated/ from openapi/."""
    install_groups(session, "generate")
    session.run("python", "scripts/regenerate.py")


@nox.session
def drift(session: nox.Session) -> None:
    """Fail if generated/ differs from a fresh generation, or openapi/ from its lock."""
    install_groups(session, "generate")
    session.run("python", "scripts/drift.py")


@nox.session
def upstream(session: nox.Session) -> None:
    """Compare the vendor's published document, or another URL or FILE, with openapi/."""
    install_groups(session, "generate")
    session.install(*PROJECT["project"]["dependencies"])
    session.run("python", "scripts/upstream.py", *session.posargs)


@nox.session
def spec_diff(session: nox.Session) -> None:
    """Report the changes between two OpenAPI documents: -- OLD NEW, files or git:REV:path."""
    install_groups(session, "generate")
    session.run("python", "-m", "spec_diff", *session.posargs, env={"PYTHONPATH": "scripts"})


@nox.session
def drift_study(session: nox.Session) -> None:
    """Count the false alarms and misses of spec_diff on harmless and breaking edits."""
    install_groups(session, "test")
    session.run("python", "tests/specs/alarm_study.py")


@nox.session(reuse_venv=False)
def bench(session: nox.Session) -> None:
    """Measure speed and memory, each figure against a limit or a baseline of the same run."""
    write = ["--write"] if "--write" in session.posargs else []
    asked = [name for name in session.posargs if name != "--write"]
    names = "signing callbacks calls load callouts fleet".split()
    names += "cdr cdr-archive cdr-daily cdr-lake cdr-many cdr-questions cdr-report".split()
    names += "cdr-scan cdr-others".split()
    if has_java():
        names.append("spark")
    missed = False
    install_wheel(session)
    if not asked or "imports" in asked:
        try:
            session.run("python", "scripts/bench.py", *write, "imports")
        except nox.command.CommandFailed:  # the other parts run all the same
            missed = True
    others = [name for name in asked if name != "imports"] if asked else names
    if others:
        install_groups(session, "arrow")  # for cdr-others
        install_wheel(session, "cdr", "report", "sandbox")
        if "spark" in others:
            install_groups(session, "spark")
        session.run("python", "scripts/bench.py", *write, *others)
    if missed:
        session.error("a limit was missed above")


@nox.session
def api_diff(session: nox.Session) -> None:
    """Compare the promised API with the last tag, a revision, or promise/."""
    install_groups(session, "promise")
    install_wheel(session, *EXTRAS)
    session.run("python", "scripts/api_diff.py", *session.posargs)


@nox.session(reuse_venv=False)
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, with nothing installed but the pinned build tool."""
    shutil.rmtree("dist", ignore_errors=True)
    install_groups(session, "build")
    # File dates come from SOURCE_DATE_EPOCH, or are hatchling's constant.
    session.run("python", "-m", "hatchling", "build", "-d", "dist", silent=True)


@nox.session(reuse_venv=False)
def check_dist(session: nox.Session) -> None:
    """Check what is in dist/: contents, the same bytes twice, use in an empty environment."""
    install_groups(session, "build")
    install_wheel(session, "sandbox")
    session.run("python", "scripts/check_dist.py", "dist")


@nox.session
def sbom(session: nox.Session) -> None:
    """Write the software bill of materials (CycloneDX) into sbom/."""
    install_groups(session, "uv")
    session.run("python", "scripts/bill_of_materials.py", "sbom")


@nox.session
def drift_issue(session: nox.Session) -> None:
    """Compare as `upstream` does, and report differences in one issue on GitHub."""
    install_groups(session, "generate")
    session.install(*PROJECT["project"]["dependencies"])
    session.run("python", "scripts/drift_issue.py", *session.posargs)


@nox.session(venv_backend="none")
def release_notes(session: nox.Session) -> None:
    """Print the section of CHANGELOG.md for a tag; fail if the tag cannot be released."""
    session.run(sys.executable, "scripts/release.py", "notes", *session.posargs)


@nox.session(venv_backend="none")
def github_release(session: nox.Session) -> None:
    """Publish a tag as a release on GitHub, with its section of CHANGELOG.md, dist/ and sbom/."""
    session.run(sys.executable, "scripts/release.py", "publish", *session.posargs)


def configure_uv() -> None:
    """Give uv the package indexes that pip is configured with; its own variables win."""
    command = (sys.executable, "-m", "pip", "config", "list")
    settings = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in settings.splitlines():  # global.index-url='https://…'
        name, _, value = line.partition("=")
        variable = UV_SETTINGS.get(name.rpartition(".")[2])
        if variable is not None:
            separator = "," if variable == "UV_FIND_LINKS" else " "
            os.environ.setdefault(variable, separator.join(ast.literal_eval(value).split()))
    # pip takes the best version of all indexes, uv that of the first index with the package.
    os.environ.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")


def has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which(Path(home, "bin", "java") if home else "java") is not None


def run_tests(session: nox.Session) -> None:
    install_groups(session, "test", "parallel")
    install_wheel(session, *EXTRAS)
    # One more than cores, as some tests wait, unless other sessions run beside.
    workers = min(4, (os.cpu_count() or 1) + ("NOX_PARALLEL" not in os.environ))
    everything = ("-n", str(workers), "--dist=worksteal")
    session.run("pytest", *(session.posargs or everything))


def run_files(session: nox.Session, folder: str) -> None:
    """Run the files of a folder, which are not named test_… because they take too long."""
    install_groups(session, "test")
    install_wheel(session, "cdr", "sandbox")
    files = sorted(str(file) for file in Path(folder).glob("*.py"))
    patience = ("-o", "faulthandler_timeout=12000")  # seconds for each test
    session.run("pytest", "--capture=no", *patience, *files, *session.posargs)


def run_judge(
    session: nox.Session, name: str, *, group: str = "", env: dict[str, str] | None = None
) -> None:
    install_groups(session, group or f"judge-{name}")
    install_wheel(session, "sandbox")
    # Not named test_…, because the session `tests` has none of these packages.
    judge = f"tests/judges/judge_{name.replace('-', '_')}.py"
    session.run("pytest", judge, *session.posargs, env=env)


def install_from_npm(session: nox.Session, package: str) -> Path:
    """Install a Node.js package into a folder of the session, or skip the session."""
    npm = shutil.which("npm")
    if npm is None:
        session.skip(f"{package} needs npm: install Node.js with npm")
    folder = Path(session.create_tmp(), "npm")
    if not (folder / "package-lock.json").exists():  # npm writes it last
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
    """Install the wheel, rather than the tree."""
    wheel = build_wheel(session)
    places = ("lib/python*/site-packages/sinchvoice", "Lib/site-packages/sinchvoice")
    is_there = any(any(Path(session.virtualenv.location).glob(place)) for place in places)
    session.install(f"{wheel}[{','.join(extras)}]" if extras else str(wheel))
    if is_there:  # again by force: the content can differ while the version is the same
        session.install("--force-reinstall", "--no-deps", str(wheel))


def build_wheel(session: nox.Session) -> Path:
    """Build the wheel in the first session that needs it; the next ones share it.

    The variable SINCHVOICE_WHEEL names one that is there already.
    """
    if not WHEELS and (given := os.environ.get("SINCHVOICE_WHEEL")):
        session.log(f"SINCHVOICE_WHEEL: {given}")
        WHEELS.append(Path(given).resolve(strict=True))
    if not WHEELS:
        folder = Path(session.create_tmp()) / "wheel"
        shutil.rmtree(folder, ignore_errors=True)
        install_groups(session, "build")
        hatchling = ("python", "-m", "hatchling")
        session.run(*hatchling, "build", "-t", "wheel", "-d", str(folder), silent=True)
        WHEELS.extend(folder.resolve().glob("*.whl"))
    (wheel,) = WHEELS
    return wheel


configure_uv()
