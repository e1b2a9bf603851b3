import shutil


def run(path: str = "/", least_gb: float = 5):
    free = shutil.disk_usage(path).free / 1e9
    print(f"{free:.1f} GB are free on {path}")
    if free < least_gb:
        raise RuntimeError(f"less than {least_gb} GB are free on {path}")
