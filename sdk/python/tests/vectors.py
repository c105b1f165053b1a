"""Where vectors are: the folder of this repository, and the one that TFAAS_VECTORS names."""
import glob
import json
import os

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
ROOT = os.path.join(REPOSITORY, "tests", "vectors")
ROOTS = [ROOT] + ([os.environ["TFAAS_VECTORS"]] if os.environ.get("TFAAS_VECTORS") else [])


def read(*name, root=ROOT):
    with open(os.path.join(root, *name), "rb") as file:
        return file.read()


def load(*name):
    return json.loads(read(*name))


def has(*name):
    return os.path.exists(os.path.join(ROOT, *name))


def evidence_vectors():
    """(name, expected, { "tee", "quote", "collateral", "vek", "ca", "hcl" }) of every vector."""
    for root in ROOTS:
        for path in sorted(glob.glob(os.path.join(root, "*", "*", "expected.json"))):
            folder = os.path.dirname(path)
            expected = json.loads(read("expected.json", root=folder))
            evidence = {"tee": expected["tee"]}
            names = {"quote": "report.bin", "vek": "vek.der"} if expected["tee"] == "snp" else \
                {"quote": "quote.bin", "collateral": "collateral.json"}
            for key, name in {**names, "hcl": "hcl-report.bin"}.items():
                if os.path.exists(os.path.join(folder, name)):
                    evidence[key] = read(name, root=folder)
            if "ca_chain" in expected:
                evidence["ca"] = read(expected["ca_chain"], root=root)
            yield os.path.relpath(folder, root), expected, evidence
