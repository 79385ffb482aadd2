"""Draws the two diagrams of architecture.md: ``python docs/diagrams.py``.

The arrows of ``rooms.svg`` are read from the imports in the code; a test compares the
committed files with what is drawn here.
"""

import ast
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent
CODE = DOCS.parent / "src" / "igllm_pipelines"

# room: (centre x, centre y, what it is)
ROOMS = {
    "study": (540, 150, "models side by side"),
    "validation": (90, 265, "are data usable?"),
    "report": (270, 265, "tables, HTML page"),
    "baselines": (450, 265, "NS-VQA"),
    "train": (640, 265, "trainer, checkpoints"),
    "infer": (860, 265, "images to programs"),
    "render": (90, 400, "Blender workers"),
    "metrics": (270, 400, "right or wrong?"),
    "domains": (450, 400, "which scenes?"),
    "shards": (620, 400, "images on disk"),
    "tokens": (780, 400, "programs as tokens"),
    "model": (930, 400, "torch only"),
    "assets": (270, 520, "3D models"),
    "scene": (560, 520, "objects, labels"),
}
SHELL = (
    ("pipelines", "Kedro: nodes, wiring"),
    ("tracking", "what MLflow is told"),
    ("apps", "igllm, the demo"),
)
COLORS = {"scene": "#e6f4ea", "assets": "#e6f4ea", "model": "#fdeee0"}
BOX = (140, 52)

# what happens, the data it leaves, its pipeline
STAGES = (
    ("render", "01_raw", "<domain>.data"),
    ("validate", "02_intermediate", "<domain>.data"),
    ("warm up", "06_models", "<domain>.data"),
    ("tokenize", "05_model_input", "<domain>.char, <domain>.float"),
    ("train", "06_models", "<domain>.char, <domain>.float"),
    ("infer", "07_model_output", "<domain>.char, <domain>.float"),
    ("evaluate", "08_reporting", "<domain>.char, <domain>.float"),
    ("report", "08_reporting", "<domain>.report"),
)


@cache
def imports() -> dict[str, set[str]]:
    """Which rooms each room imports; imports for type checkers are left out."""
    rooms = {path.name for path in CODE.iterdir() if (path / "__init__.py").exists()}
    found: dict[str, set[str]] = {room: set() for room in sorted(rooms)}
    for path in CODE.rglob("*.py"):
        room = path.relative_to(CODE).parts[0]
        if room in rooms:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found[room] |= {name for name in _imported(tree) if name in rooms - {room}}
    return found


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        for module in modules:
            package, _, rest = module.partition(".")
            if package == CODE.name and rest:
                yield rest.partition(".")[0]
        yield from _imported(node)


def arrows(found: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Imports between drawn rooms, without those that a path of others implies."""
    direct = {room: found[room] & set(ROOMS) for room in ROOMS}

    def reached(room: str) -> set[str]:
        return direct[room].union(*(reached(other) for other in direct[room]))

    return [
        (room, other)
        for room in ROOMS
        for other in sorted(direct[room])
        if not any(other in reached(third) for third in direct[room] - {other})
    ]


def rooms_svg() -> str:
    """The rooms of the code and who imports whom."""
    width, height = BOX
    parts = [
        _box(500, 50, 960, 76, "#eef2fb"),
        *(
            _label(180 + 320 * place, 44, name, note)
            for place, (name, note) in enumerate(SHELL)
        ),
        _note(500, 108, "any room below"),
        _arrow((500, 88), (500, 98)),
    ]
    for room, other in arrows(imports()):
        (x, y, _), (u, v, _) = ROOMS[room], ROOMS[other]
        if y == v:
            side = 1 if u > x else -1
            parts.append(_arrow((x + side * width / 2, y), (u - side * width / 2, v)))
        else:
            lean = max(-50.0, min(50.0, (u - x) / 5))
            parts.append(_arrow((x + lean, y + height / 2), (u - lean, v - height / 2)))
    for room, (x, y, note) in ROOMS.items():
        parts += [
            _box(x, y, *BOX, COLORS.get(room, "#ffffff")),
            _label(x, y, room, note),
        ]
    return _page(1020, 560, "The rooms of the code and their imports", parts)


def line_svg() -> str:
    """The stages from scenes to the report, and the data that each leaves."""
    step, parts = 126, []
    for name in dict.fromkeys(stage[2] for stage in STAGES):
        places = [place for place, stage in enumerate(STAGES) if stage[2] == name]
        middle = 70 + step * (places[0] + places[-1]) / 2
        parts.append(_box(middle, 105, step * len(places) - 8, 190, "#f4f6fa"))
        parts.append(_note(middle, 30, name))
    for place, (stage, data, _) in enumerate(STAGES):
        x = 70 + step * place
        parts += [_box(x, 72, 98, 44, "#ffffff"), _label(x, 77, stage)]
        parts += [_box(x, 160, 112, 40, "#e6f4ea"), _note(x, 164, f"{data}/")]
        parts.append(_arrow((x, 94), (x, 140)))
        if place:
            parts.append(_arrow((x - step + 49, 72), (x - 49, 72)))
    return _page(1022, 210, "The line of production", parts)


def _box(x: float, y: float, width: float, height: float, color: str) -> str:
    return (
        f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" '
        f'height="{height:g}" rx="8" fill="{color}" stroke="#5b6472"/>'
    )


def _label(x: float, y: float, name: str, note: str = "") -> str:
    text = f'<text x="{x:g}" y="{y:g}" font-weight="600">{escape(name)}</text>'
    return text + (_note(x, y + 17, note) if note else "")


def _note(x: float, y: float, note: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="12" fill="#444">{escape(note)}</text>'


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (u, v) = start, end
    bend = (v - y) / 2
    return (
        f'<path d="M{x:g},{y:g} C{x:g},{y + bend:g} {u:g},{v - bend:g} {u:g},{v:g}" '
        'fill="none" stroke="#5b6472" marker-end="url(#tip)"/>'
    )


def _page(width: int, height: int, title: str, parts: list[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="system-ui, sans-serif" font-size="15" text-anchor="middle">',
            f"<title>{title}</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z" fill="#5b6472"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def main() -> None:
    """Writes both files beside this one."""
    (DOCS / "rooms.svg").write_text(rooms_svg(), encoding="utf-8")
    (DOCS / "line.svg").write_text(line_svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
