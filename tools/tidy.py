#!/usr/bin/env python3
"""Style as a test: what STYLE.md says and a program can see.  usage: tidy.py ROOT"""
import pathlib
import re
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
LINE_RULES = [
    (re.compile(r"^(?:[^\"']|\"(?:\\.|[^\"])*\"|'(?:\\.|[^'])*')*//"), "use /* */; // is for notes not to commit"),
    (re.compile(r"\btypedef\s+(struct|enum|union)\b(?!\s+\w+\s+\*?\w+\()"), "no typedef for structs, enums, unions"),
    (re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|alloca)\s*\("), "banned function"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "finish it or leave it out"),
]


def code_lines(text):
    """Blank out comments so that rules see code only; the line count stays."""
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def functions(lines):
    """(first line, length) of each brace block that opens in column 0 after a ')'."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and number > 1 and lines[number - 2].rstrip().endswith(")"):
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = None


def main():
    root = pathlib.Path(sys.argv[1])
    errors = 0
    for path in sorted((root / "src").rglob("*.[ch]")):
        text = path.read_text()
        lines = code_lines(text).split("\n")
        if len(lines) > FILE_LINES_MAX:
            print(f"{path}: {len(lines)} lines, at most {FILE_LINES_MAX}: one noun per file")
            errors += 1
        if not text.lstrip().startswith(("/*", "#include")) and path.suffix == ".h":
            print(f"{path}:1: a header begins with what it is, owns and refuses to do")
            errors += 1
        for number, line in enumerate(lines, 1):
            for pattern, reason in LINE_RULES:
                if pattern.search(line):
                    print(f"{path}:{number}: {reason}")
                    errors += 1
        for start, length in functions(lines):
            if length > FUNCTION_LINES_MAX:
                print(f"{path}:{start}: function of {length} lines, at most {FUNCTION_LINES_MAX}")
                errors += 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
