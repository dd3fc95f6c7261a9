import sys
from pathlib import Path

here = Path.cwd()
course = next((folder for folder in (here, *here.parents) if (folder / "helpers" / "data.py").is_file()), None)
if course is None:
    raise FileNotFoundError(f"No folder above {here} holds the course's helpers: open the notebook inside the course.")
sys.path.insert(0, str(course))
print("The course is ready.")
