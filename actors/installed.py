"""Where the parts of the program lie that are no modules: the SQL, and the programs.

Beside this package are `sql` and `bin`, in a copy of the repository and in what `make install` lays
out. In a wheel the SQL is within the package, and pip makes the programs.
"""

from pathlib import Path

from actors.errors import ConfigError

PACKAGE = Path(__file__).parent
DISTRIBUTION = "polymarket-tracker"


def sql_folder(package: Path = PACKAGE) -> Path:
    """Return the folder with migrations, queries and roles."""
    within = package / "sql"
    return within if within.is_dir() else package.with_name("sql")


def project(package: Path = PACKAGE) -> Path | None:
    """Return the copy of the repository, or what `make install` laid out; None in a wheel."""
    return package.parent if (package.parent / "bin" / "tracker").exists() else None


def program(name: str, package: Path = PACKAGE) -> Path:
    """Return the script of a program, to run with this Python.

    Raises:
        ConfigError: There is none.
    """
    root = project(package)
    if root is not None:
        return root / "bin" / name
    from importlib.metadata import PackageNotFoundError, files  # noqa: PLC0415 - slow, seldom needed

    try:
        listed = files(DISTRIBUTION) or []
    except PackageNotFoundError:
        listed = []
    for file in listed:
        found = Path(str(file.locate()))
        if file.name == name and found.exists():
            return found.resolve()
    raise ConfigError(f"the program {name} is not there: install {DISTRIBUTION} again")


def how_to_add(extra: str) -> str:
    """Return what to do when an extra is missing."""
    return f"install the extra {extra}: pip install '.[{extra}]' in a copy of the repository"
