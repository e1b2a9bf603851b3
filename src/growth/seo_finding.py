"""One SEO finding, and where on the page it was seen."""

from dataclasses import dataclass
from typing import Any, Final

SEVERITIES: Final = ("critical", "warning", "info", "opportunity")


@dataclass(frozen=True, slots=True)
class Finding:
    url: str
    severity: str
    category: str
    message: str
    recommendation: str
    evidence: dict[str, Any]
    current_value: str | None = None

    def document(self, finding_id: str) -> dict[str, Any]:
        return {
            "id": finding_id,
            "url": self.url,
            "severity": self.severity,
            "category": self.category,
            "message": self.message,
            "current_value": self.current_value,
            "recommendation": self.recommendation,
            "evidence": [self.evidence],
        }


def html_element(path: str, description: str, value: str | int | None = None) -> dict[str, Any]:
    evidence: dict[str, Any] = {"type": "html_element", "path": path, "description": description}
    return evidence if value is None else {**evidence, "value": value}
