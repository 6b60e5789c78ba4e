"""The graph of a PoseNet against the module tree, its counts by hand, and what the gradient reaches."""

import pytest
import torch

from wbkit.hrnet import HighResolutionModule, PoseNet
from wbkit.study.flow import trace

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (64, 96)


@pytest.fixture(scope="module", params=[0, 7])
def model(request):
    torch.manual_seed(0)
    return PoseNet(4, num_keypoints=5, head_channels=request.param).eval()


@pytest.fixture(scope="module")
def flow(model):
    return trace(model, SIZE)


def real_maps(model):
    """Name -> output of every module that stands for a map, by a run with numbers."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: o}))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(torch.randn(1, 3, SIZE[1], SIZE[0]))
    for hook in hooks:
        hook.remove()
    return seen


def test_shapes_are_those_of_a_run_with_numbers(model, flow):
    seen = real_maps(model)
    for name, row in flow.maps.iterrows():
        if name == "image":
            shape = (3, SIZE[1], SIZE[0])
        elif " -> " in name:
            module, branch = name.split(" -> ")
            shape = tuple(seen[module][int(branch)].shape[1:])
        else:
            shape = tuple(seen[name].shape[1:])
        assert (row.channels, row.height, row.width) == shape, name
        assert row.stride == SIZE[1] // row.height


def test_all_ways_of_all_fusions_are_there(model, flow):
    paths = set(flow.paths.module) - {""}
    modules = {n: m for n, m in model.named_modules() if isinstance(m, HighResolutionModule)}
    expected = {
        f"{name}.fuse_layers.{dst}.{src}"
        for name, module in modules.items()
        for dst in range(len(module.fuse_layers))
        for src in range(len(module.branches))
    }
    assert {p for p in paths if "fuse_layers" in p} == expected
    # Transitions with weights: both of the first, and the new branch of each other.
    assert paths - expected == {f"backbone.transition{n}.{b}" for n, b in ((1, 0), (1, 1), (2, 2), (3, 3))}
    for path in flow.paths[flow.paths.module.isin(expected)].itertuples():
        name, (dst, src) = path.module.split(".fuse_layers.")[0], path.module.split(".")[-2:]
        assert (path.source, path.target) == (f"{name}.branches.{src}", f"{name} -> {dst}")
        assert path.kind == ("same" if src == dst else "up" if src > dst else "down")


def test_columns_grow_along_every_way_and_nothing_is_left_alone(flow):
    column = flow.maps.column
    assert (column[flow.paths.target].to_numpy() > column[flow.paths.source].to_numpy()).all()
    assert set(flow.maps.index) - set(flow.paths.target) == {"image"}
    assert set(flow.maps.index) - set(flow.paths.source) == {"head.final_layer"}


def test_the_graph_says_what_depends_on_what(model, flow):
    """Changing one map changes those that the graph calls its descendants, and no other."""
    name = "backbone.stage3.3.branches.1"
    handle = model.get_submodule(name).register_forward_hook(lambda m, i, o: o + 1.0)
    torch.manual_seed(1)
    changed = real_maps(model)
    handle.remove()
    torch.manual_seed(1)
    usual = real_maps(model)
    below = {name}
    for path in flow.paths.itertuples():  # in the order of computation
        if path.source in below:
            below.add(path.target)
    for other in flow.maps.index.drop("image"):
        module, _, branch = other.partition(" -> ")
        a, b = (seen[module][int(branch)] if branch else seen[module] for seen in (usual, changed))
        assert torch.equal(a, b) == (other not in below), other


def test_the_model_stays_as_it_is(model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trace(model, SIZE)
    assert all(torch.equal(v, before[k]) and v.device.type == "cpu" for k, v in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
