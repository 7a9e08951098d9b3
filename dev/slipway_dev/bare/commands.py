"""The commands of what runs on the host, and of the kube-proxy that runs in nodes, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slipway_dev import timings
from slipway_dev.bare import templates
from slipway_dev.bare.addresses import (
    BARE,
    NODE_NETWORK,
    PODS,
    REGISTRY_PORT,
    SERVICES,
    Endpoints,
)
from slipway_dev.bare.binaries import ETCD, KUBERNETES, REGISTRY, Binaries
from slipway_dev.bare.folders import Folders


@dataclass(frozen=True, slots=True)
class Commands:
    """What is run, with every flag.

    Attributes:
        folders: the state.
        binaries: the programs.
        at: where the control plane listens.
    """

    folders: Folders
    binaries: Binaries
    at: Endpoints = BARE

    def all(self) -> Mapping[str, list[str]]:
        """Every process of the host by its name."""
        return {
            "etcd": self._etcd(),
            "kube-apiserver": self._apiserver(),
            "kube-controller-manager": self._controller_manager(),
            "kube-scheduler": self._scheduler(),
            "kube-proxy": self._proxy(),
            "registry": self._registry("registry", self.at.host),
            "registry-local": self._registry("registry-local", "127.0.0.1"),
        }

    def _program(self, name: str) -> str:
        return str(self.binaries.path(KUBERNETES, name))

    def _credentials(self, user: str) -> str:
        return str(self.folders.kubeconfigs / f"system-{user}.conf")

    @property
    def _store(self) -> str:
        return f"http://127.0.0.1:{self.at.etcd}"

    def _etcd(self) -> list[str]:
        return [
            str(self.binaries.path(ETCD)),
            f"--data-dir={self.folders.root / 'etcd'}",
            f"--listen-client-urls={self._store}",
            f"--advertise-client-urls={self._store}",
            f"--listen-peer-urls=http://127.0.0.1:{self.at.etcd_peer}",
            "--unsafe-no-fsync",  # a development cluster that is lost is made again
            "--log-level=warn",
            f"--quota-backend-bytes={4 << 30}",
        ]

    def _apiserver(self) -> list[str]:
        pki = self.folders.pki
        policy = templates.write(self.folders.config / "audit-policy.yaml", "audit-policy.yaml")
        return [
            self._program("kube-apiserver"),
            f"--advertise-address={self.at.host}",
            f"--bind-address={self.at.host}",
            f"--secure-port={self.at.api}",
            f"--etcd-servers={self._store}",
            f"--service-cluster-ip-range={SERVICES}",
            *_apiserver_keys(pki),
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--enable-aggregator-routing=true",
            "--kubelet-preferred-address-types=InternalIP",
            *timings.flags(timings.APISERVER),
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.folders.audit_log}",
            "--audit-log-maxsize=50",
            "--audit-log-maxbackup=2",
        ]

    def _controller_manager(self) -> list[str]:
        pki = self.folders.pki
        credentials = self._credentials("kube-controller-manager")
        return [
            self._program("kube-controller-manager"),
            f"--kubeconfig={credentials}",
            f"--authentication-kubeconfig={credentials}",
            f"--authorization-kubeconfig={credentials}",
            "--bind-address=127.0.0.1",
            f"--cluster-cidr={PODS}",
            "--allocate-node-cidrs=false",  # Nodes are made with theirs
            f"--service-cluster-ip-range={SERVICES}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            "--use-service-account-credentials=true",
            f"--flex-volume-plugin-dir={self.folders.root / 'volumeplugins'}",  # not in /usr
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            *timings.flags(timings.CONTROLLER_MANAGER),
        ]

    def _scheduler(self) -> list[str]:
        credentials = self._credentials("kube-scheduler")
        return [
            self._program("kube-scheduler"),
            f"--kubeconfig={credentials}",
            f"--authentication-kubeconfig={credentials}",
            f"--authorization-kubeconfig={credentials}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _proxy(self) -> list[str]:
        return [
            *proxy_command(self.folders, self.binaries, "n1"),  # no node, so it borrows a name
            f"--nodeport-addresses=127.0.0.0/8,{NODE_NETWORK}",  # not on the machine's own network
            "--healthz-bind-address=127.0.0.1:10256",
        ]

    def _registry(self, name: str, address: str) -> list[str]:
        config = templates.write(
            self.folders.config / f"{name}.yaml",
            "registry.yaml",
            address=address,
            port=REGISTRY_PORT,
            storage=self.folders.root / "registry",
        )
        return [str(self.binaries.path(REGISTRY)), "serve", str(config)]


def proxy_command(folders: Folders, binaries: Binaries, node: str) -> list[str]:
    """A kube-proxy for the network namespace that it is started in."""
    return [
        str(binaries.path(KUBERNETES, "kube-proxy")),
        f"--kubeconfig={folders.kubeconfigs / 'system-kube-proxy.conf'}",
        f"--cluster-cidr={PODS}",
        f"--hostname-override={node}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",  # zero leaves the machine's settings as they are
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]


def _apiserver_keys(pki: Path) -> list[str]:
    return [
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
    ]
