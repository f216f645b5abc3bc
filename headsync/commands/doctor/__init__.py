"""Is everything there that headsync needs on this machine, and what is to be done about what is not?"""

from headsync.commands.doctor.examine import examine
from headsync.commands.doctor.findings import MISSING, OK, OPTIONAL, Finding, as_json, as_lines, verdict

__all__ = [
    "examine", "MISSING", "OK", "OPTIONAL", "Finding", "as_json", "as_lines", "verdict",
]
