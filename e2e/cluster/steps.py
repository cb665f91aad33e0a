"""The steps, in their order."""

import changes
import guides
import install
import objects
import sidecar

# In an empty cluster, which they leave empty.
ALONE = [guides.quick_start, guides.install_guide]
# What has to have been done for any other step.
FIRST = [install.install, install.declare]

STEPS = [
    *ALONE,
    *FIRST,
    install.sdk_calls,
    changes.rollout_restart,
    changes.helm_upgrade,
    changes.pod_deleted,
    changes.leader_killed,
    changes.api_server_away,
    changes.secret_rotated,
    changes.consumer_revoked,
    changes.all_at_once,
    sidecar.sidecars,
    objects.options,
    objects.uninstall,
]


def chosen(names):
    """These steps and what they need, or all."""
    unknown = set(names) - {step.__name__ for step in STEPS}
    if unknown:
        raise SystemExit(f"no step is called {' or '.join(sorted(unknown))}: see --list")
    needed = [] if names and not set(names) - {step.__name__ for step in ALONE} else FIRST
    return [step for step in STEPS if not names or step in needed or step.__name__ in names]
