"""Why somebody can, or cannot, open a proposal: a chain of links from who they are to what is mounted, each tried for real."""

from panosc_spawner.explain.build import explain
from panosc_spawner.explain.model import Explanation, Helper, Link, Question, Running, State, Step

__all__ = ["Explanation", "Helper", "Link", "Question", "Running", "State", "Step", "explain"]
