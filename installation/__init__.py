"""Is everything there that headsync needs on this machine, and what is to be done about what is not?"""

from installation.examine import examine
from installation.findings import MISSING, OK, OPTIONAL, Finding, as_json, as_lines, verdict

__all__ = ["MISSING", "OK", "OPTIONAL", "Finding", "as_json", "as_lines", "examine", "verdict"]
