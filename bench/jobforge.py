"""What it costs to believe a bundle: reading its text, and validating it, for growing numbers of requests."""

import statistics
import time

from jobforge import bundle_violations, idempotency_key, parse, pretty
from jobforge.envelope import seal

RUNS = 5
REQUESTS = (2_500, 5_000, 10_000)
TIME = "2024-01-01T00:00:00.000Z"


def text_of_bundle(count: int) -> bytes:
    head = {"tenant_id": "acme", "project_id": "shop"}
    requests = []
    for number in range(count):
        payload = {"source_path": f"./site-{number}", "source_type": "html_export", "max_pages": 1000}
        request = {
            **head,
            "id": f"job-{number}",
            "job_type": "autopilot.growth.seo_scan",
            "created_at": TIME,
            "payload": payload,
            "priority": "normal",
            "context": {"triggered_by": "growth-autopilot", "trace_id": "trace-1", "notes": f"Scan number {number}"},
            "constraints": {"auto_execute": False, "require_approval": True, "max_cost_usd": 0.5},
        }
        key = idempotency_key("acme", "shop", "autopilot.growth.seo_scan", payload)
        status = {"job_type_status": "available", "requires_policy_token": False}
        requests.append({"idempotency_key": key, "request": request, **status})
    bundle = {"schema_version": "2024-09-01", "module_id": "growth", "bundle_id": "bundle-1", "trace_id": "trace-1"}
    return pretty(seal({**bundle, **head, "created_at": TIME, "requests": requests})).encode()


def main() -> None:
    for count in REQUESTS:
        data = text_of_bundle(count)
        reading, validating = [], []
        for _ in range(RUNS):
            start = time.process_time()
            document = parse(data)
            middle = time.process_time()
            if bundle_violations(document):
                raise AssertionError("the bundle of the bench is not acceptable")
            reading.append(middle - start)
            validating.append(time.process_time() - middle)
        print(
            f"{count:>6,} requests, {len(data) / 1e6:.1f} MB: read {statistics.median(reading):.2f} s,"
            f" validated {statistics.median(validating):.2f} s of processor time (medians of {RUNS})"
        )
