"""nacos-sdk-python against a server: the older client over HTTP, where the version has
it, and the newer one over gRPC.

Usage: nacos_client.py HOST:PORT DIRECTORY [USER PASSWORD]
Prints "ok STEP" for every step that held. At "please restart" it goes on when it
reads a line; by then the server was killed, runs again and has got the content
"meanwhile" for the config "grpc.yaml" of the group "shop".
"""

import asyncio
import hashlib
import json
import multiprocessing
import os
import sys
import threading
import time
import urllib.parse
import urllib.request

try:
    import nacos
except ImportError:  # the line 3.x has only the newer client
    nacos = None
from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    ConfigParam,
    DeregisterInstanceParam,
    GetServiceParam,
    GRPCConfig,
    ListInstanceParam,
    NacosConfigService,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)

WAIT = 20
server, folder = sys.argv[1], sys.argv[2]
user, password = (sys.argv[3:] + [None, None])[:2]


def ok(step):
    print("ok", step, flush=True)


async def eventually(what, holds, wait=WAIT):
    deadline = time.monotonic() + wait
    while True:
        got = holds()
        if asyncio.iscoroutine(got):
            got = await got
        if got:
            return
        assert time.monotonic() < deadline, "not within %d s: %s" % (wait, what)
        await asyncio.sleep(0.05)


def http_client():
    """The older client, over HTTP v1."""
    c = nacos.NacosClient(server, namespace="", username=user, password=password)
    c.set_options(snapshot_base=folder)
    assert c.get_config("py.yaml", "shop", timeout=5) is None
    heard = threading.Event()
    contents = []

    def changed(args):
        contents.append(args["content"])
        heard.set()

    assert c.publish_config("py.yaml", "shop", "one: \u4e2d", timeout=5, config_type="yaml")
    assert c.get_config("py.yaml", "shop", timeout=5, no_snapshot=True) == "one: \u4e2d"
    c.add_config_watcher("py.yaml", "shop", changed)
    deadline = time.monotonic() + WAIT
    time.sleep(1)
    assert c.publish_config("py.yaml", "shop", "two", timeout=5)
    while "two" not in contents:
        assert time.monotonic() < deadline, contents
        heard.wait(0.1)
    assert c.remove_config("py.yaml", "shop", timeout=5)
    assert c.get_config("py.yaml", "shop", timeout=5, no_snapshot=True) is None
    ok("http config")

    c.add_naming_instance("py-http", "10.5.0.1", 80, metadata={"zone": "a"}, ephemeral=True, heartbeat_interval=2)
    found = c.list_naming_instance("py-http", healthy_only=True)
    assert [h["ip"] for h in found["hosts"]] == ["10.5.0.1"], found
    assert found["hosts"][0]["metadata"] == {"zone": "a"}
    c.modify_naming_instance("py-http", "10.5.0.1", 80, weight=3.0, metadata={"zone": "b"})
    found = c.list_naming_instance("py-http")
    assert found["hosts"][0]["weight"] == 3.0, found
    time.sleep(3)
    c.send_heartbeat("py-http", "10.5.0.1", 80)
    assert len(c.list_naming_instance("py-http", healthy_only=True)["hosts"]) == 1
    c.remove_naming_instance("py-http", "10.5.0.1", 80, ephemeral=True)
    assert c.list_naming_instance("py-http")["hosts"] == []
    ok("http naming")
    c.stop_subscribe()


def settings():
    b = (
        ClientConfigBuilder().server_address(server).namespace_id("").log_dir(folder).cache_dir(folder).log_level("ERROR")
        .grpc_config(GRPCConfig(grpc_timeout=5000)).load_cache_at_start(False)
    )
    if user:
        b = b.username(user).password(password)
    return b.build()


def instance(port, **more):
    return RegisterInstanceParam(service_name="py", group_name="shop", ip="10.6.0.1", port=port, ephemeral=True, **more)


def ports_at_server(service):
    """Asks the server: this client takes no empty list for an answer and keeps what it had."""
    query = {"serviceName": service, "groupName": "shop"}
    if user:
        query.update(username=user, password=password)
    url = "http://%s/nacos/v1/ns/instance/list?%s" % (server, urllib.parse.urlencode(query))
    with urllib.request.urlopen(url, timeout=WAIT) as answer:
        return sorted(host["port"] for host in json.load(answer)["hosts"])


async def grpc_naming(provider, consumer):
    lists = []

    async def changed(instances):
        lists.append(sorted(i.port for i in instances))

    await consumer.subscribe(SubscribeServiceParam(service_name="py", group_name="shop", subscribe_callback=changed))
    assert await provider.register_instance(instance(80, weight=2.0, metadata={"zone": "\u4e2d"}))
    await eventually("a push", lambda: lists and lists[-1] == [80])
    found = await consumer.list_instances(ListInstanceParam(service_name="py", group_name="shop", healthy_only=True))
    assert found[0].weight == 2.0 and found[0].metadata == {"zone": "\u4e2d"}, found
    service = await consumer.get_service(GetServiceParam(service_name="py", group_name="shop"))
    assert service.name == "py" and len(service.hosts) == 1, service
    assert await provider.deregister_instance(
        DeregisterInstanceParam(service_name="py", group_name="shop", ip="10.6.0.1", port=80, ephemeral=True))
    await eventually("the end", lambda: ports_at_server("py") == [])
    assert await provider.batch_register_instances(
        BatchRegisterInstanceParam(service_name="py", group_name="shop", instances=[instance(81), instance(82)]))
    await eventually("a push of two", lambda: lists[-1] == [81, 82])
    ok("grpc naming")
    return lists


async def grpc_changes(provider, consumer):
    """Registers again with other facts, disables; and a persistent instance."""
    heard = []

    async def changed(instances):
        heard.append(instances)

    service = {"service_name": "py-changes", "group_name": "shop"}

    def one(**more):
        return RegisterInstanceParam(ip="10.6.0.2", port=80, ephemeral=True, **service, **more)

    await consumer.subscribe(SubscribeServiceParam(subscribe_callback=changed, **service))
    assert await provider.register_instance(one(weight=1.0, metadata={"zone": "a"}))
    await eventually("an instance", lambda: heard and heard[-1] and heard[-1][0].weight == 1.0)
    assert await provider.register_instance(one(weight=5.0, metadata={"zone": "b"}))
    await eventually("its change", lambda: heard[-1][0].weight == 5.0 and heard[-1][0].metadata == {"zone": "b"})
    assert await provider.register_instance(one(enabled=False))
    await eventually("a disabled instance", lambda: ports_at_server("py-changes") == [])
    assert await provider.register_instance(one(weight=2.0))
    await eventually("it again", lambda: heard[-1][0].weight == 2.0)
    assert await provider.deregister_instance(DeregisterInstanceParam(ip="10.6.0.2", port=80, ephemeral=True, **service))

    persistent = {"service_name": "py-persistent", "group_name": "shop", "ip": "10.6.0.3", "port": 80, "ephemeral": False}
    assert await provider.register_instance(RegisterInstanceParam(**persistent))
    found = await consumer.list_instances(ListInstanceParam(service_name="py-persistent", group_name="shop", healthy_only=None))
    assert len(found) == 1 and not found[0].ephemeral, found
    assert await provider.deregister_instance(DeregisterInstanceParam(**persistent))
    await eventually("the end of a persistent instance", lambda: ports_at_server("py-persistent") == [])
    ok("grpc changes")


async def grpc_config(writer, reader):
    item = {"data_id": "grpc.yaml", "group": "shop"}
    contents = []

    async def changed(tenant, data_id, group, content):
        contents.append(content)

    await reader.add_listener("grpc.yaml", "shop", changed)
    assert await writer.publish_config(ConfigParam(content="one: \u4e2d", **item))
    await eventually("a change", lambda: contents and contents[-1] == "one: \u4e2d")
    assert await reader.get_config(ConfigParam(**item)) == "one: \u4e2d"
    assert await writer.publish_config(ConfigParam(content="two", **item))
    await eventually("another change", lambda: contents[-1] == "two")
    stale = ConfigParam(content="lost", cas_md5="0" * 32, **item)
    assert not await accepted(writer, stale), "a publish on a stale md5"
    right = ConfigParam(content="three", cas_md5=hashlib.md5(b"two").hexdigest(), **item)
    assert await accepted(writer, right), "a publish on the md5 that is stored"
    for n in range(20):
        assert await writer.publish_config(ConfigParam(content="quick %d" % n, **item))
    await eventually("the last of quick changes", lambda: contents[-1] == "quick 19")
    assert await writer.publish_config(ConfigParam(content="two", **item))
    await eventually("a change to what was there before", lambda: contents[-1] == "two")
    ok("grpc config")
    return contents


async def accepted(writer, param):
    try:
        return await writer.publish_config(param)
    except Exception:
        return False


async def odd_configs(writer, reader):
    """Names and contents that a careless way through HTTP would change."""
    for data_id, group, content in [
        ("-.:_", "_", "\u4f60\u597d \U0001f600"),
        ("a:b.c_d-e", "G:1.x_y-z", "100% a+b&c=d?e#f;g/h\\i\"j'k<l>${m}"),
        ("lines", "shop", " first\r\nsecond\n\n\tthird \n"),
        ("large", "shop", "0123456789" * 100_000),
    ]:
        item = {"data_id": data_id, "group": group}
        assert await writer.publish_config(ConfigParam(content=content, **item))
        assert await reader.get_config(ConfigParam(**item)) == content, data_id
        assert await writer.remove_config(ConfigParam(**item))
    ok("odd configs")


async def restart(provider, consumer, writer, reader, lists, contents):
    print("please restart", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    async def config_there():
        try:
            return await reader.get_config(ConfigParam(data_id="grpc.yaml", group="shop")) == "meanwhile"
        except Exception:
            return False

    # 2.x notices by its next request only that the server has gone.
    await eventually("the config after the restart", config_there, 60)
    await eventually("what was published meanwhile", lambda: contents[-1] == "meanwhile", 60)

    async def instances_there():
        try:
            found = await consumer.list_instances(ListInstanceParam(service_name="py", group_name="shop", healthy_only=True))
        except Exception:
            return False
        return sorted(i.port for i in found) == [81, 82]

    await eventually("the instances after the restart", instances_there, 60)

    async def published():
        try:
            return await writer.publish_config(ConfigParam(data_id="grpc.yaml", group="shop", content="three"))
        except Exception:
            return False

    await eventually("a publish after the restart", published, 60)
    await eventually("a change after the restart", lambda: contents[-1] == "three", 60)
    assert await writer.remove_config(ConfigParam(data_id="grpc.yaml", group="shop"))
    ok("restart")


async def grpc_client():
    """The newer client, over gRPC."""
    provider = await NacosNamingService.create_naming_service(settings())
    consumer = await NacosNamingService.create_naming_service(settings())
    writer = await NacosConfigService.create_config_service(settings())
    reader = await NacosConfigService.create_config_service(settings())
    assert await provider.server_health() and await writer.server_health()
    lists = await grpc_naming(provider, consumer)
    await grpc_changes(provider, consumer)
    contents = await grpc_config(writer, reader)
    await odd_configs(writer, reader)
    await restart(provider, consumer, writer, reader, lists, contents)
    # This version's naming client cannot be shut down: it awaits what is no coroutine.
    await writer.shutdown()
    await reader.shutdown()


if nacos:
    http_client()
asyncio.run(grpc_client())
ok("end")
sys.stdout.flush()
# The older client's threads and processes do not end by themselves.
for child in multiprocessing.active_children():
    child.kill()
os._exit(0)
