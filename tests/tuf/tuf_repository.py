"""A TUF repository in memory whose every part a test can change before it is signed, or after.

`body[role]` is the part to be signed, a plain dict; `signers[role]` are the keys that sign it.
`publish(roles)` makes next versions of roles and of what depends on them; `write(role)` signs a
body as it stands. `files` is what a server has, by name.
"""
import copy
import hashlib
import json
import time
from urllib.parse import quote

from tuf_keys import canonical, key_number

TOP = ("root", "timestamp", "snapshot", "targets")
DAY = 86400


def date(seconds_from_now):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


def digests(content, kinds=("sha256",)):
    return {kind: hashlib.new(kind, content).hexdigest() for kind in kinds}


class Repository:
    def __init__(self, kind="ed25519", consistent=True, hashes=False):
        self.kind, self.hashes, self.consistent = kind, hashes, consistent
        self.keys_taken = {}
        self.signers = {}
        self.body = {}
        self.files = {}      # "3.snapshot.json" -> bytes; names as they are, not quoted
        self.contents = {}   # target path -> bytes
        self.requests = []   # of metadata, by name
        self.fetched = []    # of targets, by path as asked for
        self.status = {}     # name -> HTTP status to answer with
        self.lenient = False  # whether any hash before a target's name will do
        self.body["root"] = self._new("root", keys={}, roles={}, consistent_snapshot=consistent)
        for role in TOP:
            self.body["root"]["roles"][role] = {"keyids": [], "threshold": 1}
            self.add_key(role)
        self.body["targets"] = self._new("targets", targets={})
        self.body["snapshot"] = self._new("snapshot", meta={})
        self.body["timestamp"] = self._new("timestamp", meta={})
        self.write("root")
        self.write("targets")
        self._list("targets", "snapshot")
        self.write("snapshot")
        self._list("snapshot", "timestamp")
        self.write("timestamp")

    def _new(self, kind, **fields):
        return {"_type": kind, "spec_version": "1.0.34", "version": 1, "expires": date(30 * DAY),
                **fields}

    # ---- who signs

    def new_key(self, kind=None):
        kind = kind or self.kind
        index = self.keys_taken.get(kind, 0)
        self.keys_taken[kind] = index + 1
        return key_number(index, kind)

    def names_of(self, role, delegator="root"):
        """The objects that name a role's keys: all keys by id, and the role's own entry."""
        if delegator == "root":
            body = self.body["root"]
            return body["keys"], body["roles"][role]
        delegations = self.body[delegator]["delegations"]
        if "succinct_roles" in delegations:
            return delegations["keys"], delegations["succinct_roles"]
        return delegations["keys"], next(r for r in delegations["roles"] if r["name"] == role)

    def add_key(self, role, key=None, delegator="root", keyid=None):
        key = key or self.new_key()
        keys, entry = self.names_of(role, delegator)
        keys[keyid or key.id] = copy.deepcopy(key.object)
        entry["keyids"].append(keyid or key.id)
        self.signers.setdefault(role, []).append((key, keyid or key.id))
        return key

    def drop_keys(self, role, delegator="root"):
        """The role's keys go and sign no more; others who have them keep them."""
        keys, entry = self.names_of(role, delegator)
        entry["keyids"].clear()
        self.signers[role] = []

    def replace_keys(self, role, delegator="root"):
        self.drop_keys(role, delegator)
        return self.add_key(role, delegator=delegator)

    # ---- what they sign

    def signed(self, role, signers=None):
        body = self.body[role]
        message = canonical(body)
        return {"signatures": [{"keyid": keyid, "sig": key.sign(message)} for key, keyid in
                               (self.signers[role] if signers is None else signers)],
                "signed": body}

    def names(self, role):
        version = self.body[role]["version"]
        if role == "root":
            return [f"{version}.root.json"]
        if role == "timestamp":
            return ["timestamp.json"]
        return [f"{version}.{role}.json" if self.body["root"].get("consistent_snapshot")
                else f"{role}.json"]

    def put(self, role, data):
        for name in self.names(role):
            self.files[name] = data

    def write(self, role, signers=None):
        data = json.dumps(self.signed(role, signers), indent=1).encode()
        self.put(role, data)
        return data

    def data(self, role):
        return self.files[self.names(role)[0]]

    def _list(self, role, lister):
        entry = self.body[lister]["meta"].setdefault(f"{role}.json", {})
        entry["version"] = self.body[role]["version"]
        if self.hashes:
            entry.update(length=len(self.data(role)), hashes=digests(self.data(role)))

    def next(self, role):
        """One version more of this role alone."""
        self.body[role]["version"] += 1
        return self.write(role)

    def publish(self, *roles):
        """Next versions of `roles` and of snapshot and timestamp, as far as they list them."""
        below = [role for role in roles if role not in ("root", "snapshot", "timestamp")]
        if "root" in roles:
            self.next("root")
        for role in below:
            self.next(role)
            self._list(role, "snapshot")
        if below or "snapshot" in roles:
            self.next("snapshot")
            self._list("snapshot", "timestamp")
        if below or "snapshot" in roles or "timestamp" in roles:
            self.next("timestamp")

    def rewrite(self, *roles):
        """Sign bodies again as they stand, with what lists them."""
        for role in roles:
            self.write(role)
            if role in ("root", "timestamp"):
                continue
            self._list(role, "timestamp" if role == "snapshot" else "snapshot")

    # ---- targets

    def add_target(self, path, content=b"content", role="targets", kinds=("sha256",), **more):
        self.contents[path] = content
        self.body[role]["targets"][path] = {"length": len(content),
                                            "hashes": digests(content, kinds), **more}

    def new_role(self, name):
        self.body[name] = self._new("targets", targets={})
        self.signers.setdefault(name, [])

    def delegate(self, name, delegator="targets", paths=("*",), terminating=False, threshold=1,
                 key=None, prefixes=None):
        """Delegate to a role and make it if it is new. What is published is up to the caller."""
        if name not in self.body:
            self.new_role(name)
        delegations = self.body[delegator].setdefault("delegations", {"keys": {}, "roles": []})
        entry = {"name": name, "keyids": [], "threshold": threshold, "terminating": terminating}
        if prefixes is None:
            entry["paths"] = list(paths)
        else:
            entry["path_hash_prefixes"] = list(prefixes)
        delegations["roles"].append(entry)
        return self.add_key(name, key, delegator)

    # ---- what a server says

    def metadata(self, name):
        self.requests.append(name)
        return self.status.get(name, 200), self.files.get(name)

    def target(self, path):
        """`path` as asked for: with a hash before its last part if snapshots are consistent."""
        self.fetched.append(path)
        if not self.body["root"].get("consistent_snapshot"):
            return 200, self.contents.get(path)
        folder, slash, last = path.rpartition("/")
        prefix, _, last = last.partition(".")
        plain = folder + slash + last
        content = self.contents.get(plain)
        if self.lenient:
            return 200, content
        listed = [h for body in self.body.values() if plain in body.get("targets", {})
                  for h in body["targets"][plain]["hashes"].values()]
        return 200, content if prefix in listed else None


def stored_name(role):
    """As a client calls the file in its folder."""
    return quote(role, "") + ".json"
