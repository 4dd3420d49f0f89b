"""Repositories made wrong at random, by somebody who knows what they are made of."""
import copy
import json

from tuf_keys import key_number, sha256
from tuf_repository import DAY, TOP, Repository, date

VALUES = [None, True, False, 0, 1, -1, 2, 3, 7, 1 << 31, 1 << 53, (1 << 63) - 1, "", "x", "0", "1",
          "*", "?", "[", "a/b", "targets", "root.json", "2999-01-01T00:00:00Z",
          "1999-01-01T00:00:00Z", "2999-01-01", "1.0.0", "2.0.0", [], {}, ["x"], [1], {"x": 1},
          "\u00e9", "\U0001f600", "\"\\", "\n", "00" * 32]
KINDS = ["ed25519"] * 6 + ["ecdsa256", "ecdsa256-old", "ecdsa384", "rsa-pss-256", "rsa-pss-512",
                           "rsa-pkcs1v15-256"]
PATTERNS = ["*", "*/*", "a/*", "a/?", "b/*", "?/1", "a/1", "[ab]/1", "[!a]/*", "*.bin", "**", "a*/*"]
PATHS = ["a/1", "a/2", "b/1", "x.bin", "c"]


def delegated(repo):
    return [role for role in repo.body if role not in TOP]


def random_repository(rng):
    repo = Repository(kind=rng.choice(KINDS), consistent=rng.random() < 0.7,
                      hashes=rng.random() < 0.4)
    repo.lenient = True
    for _ in range(rng.choice([0, 0, 1, 2, 3, 5])):
        delegator = rng.choice(["targets", *delegated(repo)])
        role = rng.choice([*"ABCDE", "A/B"])
        taken = repo.body[delegator].get("delegations", {}).get("roles", [])
        if any(entry["name"] == role for entry in taken):
            continue
        if rng.random() < 0.15:
            prefixes = [sha256(rng.choice(PATHS).encode())[:rng.choice([1, 2, 8])]]
            repo.delegate(role, delegator, prefixes=prefixes, terminating=rng.random() < 0.2)
        else:
            repo.delegate(role, delegator, paths=rng.sample(PATTERNS, rng.choice([1, 1, 2])),
                          terminating=rng.random() < 0.2)
    for path in PATHS:
        for role in rng.sample(["targets", *delegated(repo)], 1):
            repo.add_target(path, f"{role} {path}".encode(), role=role,
                            kinds=rng.choice([("sha256",), ("sha512",), ("sha256", "sha512")]))
    for role in rng.sample(TOP, rng.choice([0, 0, 1, 2])):
        repo.add_key(role, repo.new_key(rng.choice(KINDS)))
        repo.body["root"]["roles"][role]["threshold"] = rng.choice([1, 2])
    repo.rewrite("root", "targets", *delegated(repo), "snapshot", "timestamp")
    return repo


# ---- changes of what is signed

def places(value, path=()):
    """Every member of a nested value, as (container, key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from places(inner)


def another(rng, value):
    if isinstance(value, bool) or rng.random() < 0.3:
        return copy.deepcopy(rng.choice(VALUES))
    if isinstance(value, int):
        return value + rng.choice([-2, -1, 1, 2, 100])
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        return rng.choice([value[:at], value[:at] + rng.choice("0az/*-") + value[at:],
                           value[:at] + rng.choice("0az/*-") + value[at + 1:], value.upper(),
                           value + value])
    if isinstance(value, list):
        return rng.choice([value * 2, value[::-1], value[1:], []])
    return rng.choice([{}, list(value), {**value, "x-more": rng.choice(VALUES)}])


def change_body(rng, body):
    container, key = rng.choice(list(places(body)))
    how = rng.random()
    if how < 0.2:
        del container[key]
    elif how < 0.35 and isinstance(container, dict):
        container[rng.choice(["x", "custom", "length", "hashes", "version", "threshold", "roles",
                              "delegations", "path_hash_prefixes", "terminating", key + "x"])] = (
            copy.deepcopy(rng.choice([*VALUES, container[key]])))
    elif how < 0.45 and isinstance(container, dict) and len(container) > 1:
        other = rng.choice(list(container))
        container[key], container[other] = container[other], container[key]
    else:
        container[key] = another(rng, container[key])


def change_keys(rng, repo):
    """Rotations, thresholds, signers; some of them wrong."""
    owners = [("root", role) for role in TOP]
    owners += [(d, e["name"]) for d in ["targets", *delegated(repo)]
               for e in repo.body[d].get("delegations", {}).get("roles", [])]
    delegator, role = rng.choice(owners)
    how = rng.randrange(7)
    if how == 0:
        repo.add_key(role, repo.new_key(rng.choice(KINDS)), delegator)
    elif how == 1:
        old = repo.signers[role]
        repo.replace_keys(role, delegator)
        if rng.random() < 0.5:
            repo.signers[role] += old
    elif how == 2:
        repo.names_of(role, delegator)[1]["threshold"] = rng.choice([1, 2, 3])
    elif how == 3:
        repo.signers[role] = rng.sample(repo.signers[role], len(repo.signers[role]) // 2)
    elif how == 4:
        repo.signers[role] = repo.signers[rng.choice(list(repo.signers))]
    elif how == 5:
        stranger = key_number(99, rng.choice(KINDS))
        keyid = rng.choice(repo.signers[role])[1] if repo.signers[role] else stranger.id
        repo.signers[role] = [*repo.signers[role][1:], (stranger, keyid)]
    else:
        repo.body[role]["expires"] = date(rng.choice([-DAY, -2, DAY]))
    return delegator


def change_versions(rng, repo):
    role = rng.choice(list(repo.body))
    version = repo.body[role].get("version")
    if isinstance(version, int):
        repo.body[role]["version"] = max(0, version + rng.choice([-1, 1, 2, -2, 5]))


# ---- changes of what was signed

def change_document(rng, data):
    document = json.loads(data)
    signatures = document["signatures"]
    how = rng.randrange(8)
    if how == 0:
        document["signatures"] = signatures[1:]
    elif how == 1:
        document["signatures"] = signatures * 2
    elif how == 2:
        signatures.insert(rng.randrange(2), {"keyid": "ab" * 32, "sig": rng.choice(["", "zz", "00"])})
    elif how == 3 and signatures:
        signatures[0]["sig"] = another(rng, signatures[0]["sig"])
    elif how == 4 and signatures:
        signatures[0]["keyid"] = rng.choice(["", "ab" * 32, signatures[-1]["keyid"]])
    elif how == 5:
        document["x-more"] = rng.choice(VALUES)
    elif how == 6:
        change_body(rng, document)
    else:
        change_body(rng, document["signed"])
    return json.dumps(document, indent=rng.choice([None, 1]),
                      ensure_ascii=rng.random() < 0.5).encode()


def change_bytes(rng, data):
    at = rng.randrange(len(data))
    how = rng.randrange(7)
    if how == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]
    if how == 1:
        return data[:at]
    if how == 2:
        return data + rng.choice([b" ", b"\n", b"}", b"\0", b"x"])
    if how == 3:
        return data.replace(b'"version": ', rng.choice([b'"version": 1, "version": ', b'"version":0',
                                                        b'"version": -', b'"version":\t ']), 1)
    if how == 4:
        return data.replace(b"{", b'{"x": ' + rng.choice(
            [b"1.5", b"1e3", b"18446744073709551616", b'"\\u0000"', b'"\\ud800"', b'"\xff"', b"NaN",
             b"[" * 40 + b"]" * 40, b"true", b'"\\/"']) + b", ", rng.choice([1, 2]))
    if how == 5:
        return rng.choice([b"\xef\xbb\xbf", b" ", b"\n", b"x"]) + data
    return b""


def mutate(rng, repo):
    """One to three changes, then new versions of a few roles, signed or not."""
    changed = set(rng.sample(["root", "targets", "snapshot", "timestamp"], rng.choice([0, 1, 1, 2])))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        how = rng.random()
        if how < 0.55:
            role = rng.choice(list(repo.body))
            try:
                change_body(rng, repo.body[role])
            except IndexError:
                continue
            changed.add(role)
        elif how < 0.85:
            try:
                changed.add(change_keys(rng, repo))
            except (AttributeError, IndexError, KeyError, TypeError, StopIteration, ValueError):
                continue
            changed |= set(rng.sample(list(repo.body), 1))
        else:
            change_versions(rng, repo)
    publish(rng, repo, changed)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        spoil_file(rng, repo)
    if rng.random() < 0.05:
        repo.contents[rng.choice(PATHS)] = b"something else"
    if rng.random() < 0.05:
        repo.status[rng.choice(list(repo.files))] = rng.choice([403, 404, 500])


def publish(rng, repo, changed):
    """As Repository.publish(), with what is left of the bodies; what cannot be stays as it was."""
    order = [r for r in ("root", "targets", *delegated(repo)) if r in changed]
    if changed - {"root"}:
        order += ["snapshot", "timestamp"]
    bump = rng.random() < 0.9
    for role in order:
        try:
            if bump:
                repo.body[role]["version"] += 1
            repo.write(role)
            if role not in ("root", "timestamp") and rng.random() < 0.95:
                lister = "timestamp" if role == "snapshot" else "snapshot"
                entry = repo.body[lister]["meta"][f"{role}.json"]
                entry["version"] = repo.body[role]["version"]
                if "hashes" in entry:
                    entry.update(length=len(repo.data(role)),
                                 hashes={"sha256": sha256(repo.data(role))})
        except (AttributeError, KeyError, TypeError, IndexError):
            continue


def spoil_file(rng, repo):
    name = rng.choice(list(repo.files))
    data = repo.files[name]
    if not data:
        return
    how = rng.random()
    try:
        if how < 0.5:
            repo.files[name] = change_document(rng, data)
        elif how < 0.8:
            repo.files[name] = change_bytes(rng, data)
        elif how < 0.9:
            repo.files[name] = repo.files[rng.choice(list(repo.files))]
        else:
            del repo.files[name]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return
