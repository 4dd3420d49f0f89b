"""Makes static/: two small repositories that never change, of the shapes that public ones have.

    make_static.py          (once; the keys are forgotten, the files are kept in git)

`online`: keys that say who owns them, roles that say when they are to be signed, one ECDSA key for
snapshot and timestamp, delegated roles per project. `grown`: a repository that is older than its
specification, with points in hex and keyid_hash_algorithms at first and PEM later, empty
signatures of people who were not there, a spec_version of two parts, and the year 2024.
"""
import json
import pathlib

from tuf_keys import Key, canonical, sha256
from tuf_repository import digests

HERE = pathlib.Path(__file__).resolve().parent / "static"


class Signer:
    """A key and the fields that its object has besides."""

    def __init__(self, kind, **more):
        self.key = Key(kind)
        self.object = {**self.key.object, **more}
        self.id = sha256(canonical(self.object))


def envelope(body, signers, absent=()):
    message = canonical(body)
    signatures = [{"keyid": s.id, "sig": s.key.sign(message)} for s in signers]
    return {"signatures": signatures + [{"keyid": s.id, "sig": ""} for s in absent],
            "signed": body}


def put(repository, name, content):
    path = HERE / repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def put_json(repository, name, document):
    return put(repository, "metadata/" + name, json.dumps(document, indent=1).encode())


def role(signers, threshold=1, **more):
    return {"keyids": [s.id for s in signers], "threshold": threshold, **more}


def keys(*signers):
    return {s.id: s.object for s in signers}


def listed(content, kinds=("sha256",)):
    return {"length": len(content), "hashes": digests(content, kinds)}


def make_online():
    common = {"spec_version": "1.0.31", "expires": "2025-06-01T00:00:00Z"}
    people = [Signer("ecdsa256", **{"x-tuf-on-ci-keyowner": f"@person{n}"}) for n in range(3)]
    machine = Signer("ecdsa256", **{"x-tuf-on-ci-online-uri": "azurekms://somewhere/keys/online"})
    periods = {"x-tuf-on-ci-expiry-period": 365, "x-tuf-on-ci-signing-period": 60}
    for version, threshold in ((1, 1), (2, 2)):
        body = {"_type": "root", "version": version, "consistent_snapshot": True, **common,
                "keys": keys(*people, machine), **periods,
                "roles": {"root": role(people, threshold), "targets": role(people, threshold),
                          "snapshot": role([machine], **periods),
                          "timestamp": role([machine], **periods)}}
        put_json("online", f"{version}.root.json", envelope(body, people[:2]))
    top, inner = b"listed by the top\n", b"listed by a project\n"
    put("online", f"targets/{sha256(top)}.file1.txt", top)
    put("online", f"targets/project/sub/{sha256(inner)}.file2.txt", inner)
    targets = {"_type": "targets", "version": 3, **common, **periods,
               "targets": {"file1.txt": listed(top)},
               "delegations": {"keys": keys(people[2]), "roles": [
                   {"name": "project", **role([people[2]]), "terminating": True,
                    "paths": ["project/*", "project/*/*"]}]}}
    put_json("online", "3.targets.json", envelope(targets, people[1:]))
    project = {"_type": "targets", "version": 5, **common, **periods,
               "targets": {"project/sub/file2.txt": listed(inner)}}
    put_json("online", "5.project.json", envelope(project, [people[2]]))
    snapshot = {"_type": "snapshot", "version": 8, **common,
                "meta": {"targets.json": {"version": 3}, "project.json": {"version": 5}}}
    put_json("online", "8.snapshot.json", envelope(snapshot, [machine]))
    timestamp = {"_type": "timestamp", "version": 40, **common,
                 "meta": {"snapshot.json": {"version": 8}}}
    put_json("online", "timestamp.json", envelope(timestamp, [machine]))


def make_grown():
    old = {"keyid_hash_algorithms": ["sha256", "sha512"]}
    both = ("sha256", "sha512")
    common = {"spec_version": "1.0", "expires": "2024-06-01T00:00:00Z"}
    people = [Signer("ecdsa256-point", **old) for _ in range(5)]
    later = [Signer("ecdsa256-old", **old) for _ in range(5)]
    machine = Signer("ecdsa256-old", **old)
    online = Signer("ecdsa256", **old)

    def root(version, root_people, snapshot, expires):
        return {"_type": "root", "version": version, "consistent_snapshot": version > 1, **common,
                "expires": expires, "keys": keys(*root_people, snapshot),
                "roles": {"root": role(root_people, 3), "targets": role(root_people, 3),
                          "snapshot": role([snapshot]), "timestamp": role([snapshot])}}

    put_json("grown", "1.root.json", envelope(root(1, people, machine, "2021-12-18T13:28:12Z"),
                                              people[:4], people[4:]))
    put_json("grown", "2.root.json", envelope(root(2, later, machine, "2022-05-11T19:09:02Z"),
                                              people[:3] + later[:3], later[3:]))
    put_json("grown", "3.root.json", envelope(root(3, later, online, common["expires"]),
                                              later[1:4], [later[0], later[4]]))
    data, team = b"{}\n", b"of a registry\n"
    put("grown", f"targets/{sha256(data)}.trusted_root.json", data)
    put("grown", f"targets/registry.example.org/{sha256(team)}.keys.json", team)
    targets = {"_type": "targets", "version": 7, **common,
               "targets": {"trusted_root.json": {**listed(data, both), "custom": {
                   "usage": {"status": "Active", "uri": "https://example.org"}}}},
               "delegations": {"keys": keys(later[0]), "roles": [
                   {"name": "registry.example.org", **role([later[0]]), "terminating": True,
                    "paths": ["registry.example.org/*"]}]}}
    targets = put_json("grown", "7.targets.json", envelope(targets, later[:3], later[3:]))
    registry = {"_type": "targets", "version": 2, **common,
                "targets": {"registry.example.org/keys.json": listed(team, both)}}
    registry = put_json("grown", "2.registry.example.org.json", envelope(registry, [later[0]]))
    snapshot = {"_type": "snapshot", "version": 90, **common,
                "meta": {"targets.json": {**listed(targets, both), "version": 7},
                         "registry.example.org.json": {**listed(registry, both), "version": 2},
                         "root.json": {"version": 3}}}
    snapshot = put_json("grown", "90.snapshot.json", envelope(snapshot, [online]))
    timestamp = {"_type": "timestamp", "version": 190, **common,
                 "meta": {"snapshot.json": {**listed(snapshot, both), "version": 90}}}
    put_json("grown", "timestamp.json", envelope(timestamp, [online]))


if __name__ == "__main__":
    make_online()
    make_grown()
