"""nacos-sdk-python against a server: both of its clients, HTTP and gRPC.

Usage: nacos_client.py HOST:PORT DIRECTORY [USER PASSWORD]
Prints "ok STEP" for every step that held. At "please restart" it goes on when it
reads a line.
"""

import asyncio
import multiprocessing
import os
import sys
import threading
import time

import nacos
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


async def no_hosts(consumer):
    found = await consumer.list_instances(ListInstanceParam(service_name="py", group_name="shop", subscribe=False, healthy_only=False))
    return not found


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
    # This client is not told of empty lists; its query is.
    await eventually("the end", lambda: no_hosts(consumer))
    assert await provider.batch_register_instances(
        BatchRegisterInstanceParam(service_name="py", group_name="shop", instances=[instance(81), instance(82)]))
    await eventually("a push of two", lambda: lists[-1] == [81, 82])
    ok("grpc naming")
    return lists


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
    ok("grpc config")
    return contents


async def restart(provider, consumer, writer, reader, lists, contents):
    print("please restart", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    async def config_there():
        try:
            return await reader.get_config(ConfigParam(data_id="grpc.yaml", group="shop")) == "two"
        except Exception:
            return False

    await eventually("the config after the restart", config_there, 60)

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
    contents = await grpc_config(writer, reader)
    await restart(provider, consumer, writer, reader, lists, contents)
    # This version's naming client cannot be shut down: it awaits what is no coroutine.
    await writer.shutdown()
    await reader.shutdown()


http_client()
asyncio.run(grpc_client())
ok("end")
sys.stdout.flush()
# The older client's threads and processes do not end by themselves.
for child in multiprocessing.active_children():
    child.kill()
os._exit(0)
