"""The read of a device by itself over the network, as a client."""

from __future__ import annotations

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties

from edge_lab.devices.spec import IdentityFiles
from edge_lab.topology import Login, OpcUaOptions, SecurityMode, SecurityPolicy

_POLICIES = {
    SecurityPolicy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    SecurityPolicy.AES128SHA256RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicy.AES256SHA256RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {
    SecurityMode.SIGN: ua.MessageSecurityMode.Sign,
    SecurityMode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt,
}


def application_uri(name: str) -> str:
    """The name of a device as a client; its certificate has the same."""
    return f"urn:edge-lab:device:{name}"


async def read_as_client(
    url: str, name: str, node: str, files: IdentityFiles, options: OpcUaOptions, seconds: float
) -> int:
    """The number that `node` of the device `name` shows; no answer takes longer than `seconds`."""
    certificate = CertProperties(files.certificate.read_bytes(), "pem")
    key = CertProperties(files.key.read_bytes(), "pem")
    client = Client(url, timeout=seconds)
    client.application_uri = application_uri(name)
    await client.set_security(
        _POLICIES[options.policies[0]],
        certificate=certificate,
        private_key=key,
        server_certificate=certificate,
        mode=_MODES[options.modes[0]],
    )
    match options.login:
        case Login.PASSWORD:
            user, password = next(iter(options.users.items()))
            client.set_user(user)
            client.set_password(password)
        case Login.CERTIFICATE:
            await client.load_client_certificate(certificate.path_or_content, "pem")
            await client.load_private_key(key.path_or_content, extension="pem")
    try:
        async with client:
            return int(await client.get_node(node).read_value())
    finally:  # asyncua leaves it open when it is cancelled while it connects
        client.disconnect_socket()
