"""YAML into models: what each mistake is answered with, for every shape that a model may have."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import Problem, YamlModel, did_you_mean, line_of, read_yaml


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cake(_Model):
    food: Literal["cake"]
    layers: int = Field(ge=1)
    cake: str = ""
    """Called like the tag, which pydantic puts into the places of its errors."""


class Soup(_Model):
    food: Literal["soup"]
    litres: float
    soup: dict[str, int] = Field(default_factory=dict)
    cover: str = Field("", alias="with")


class Fork(_Model):
    prongs: int


class Knife(_Model):
    blade: str
    length: int = 10


class Menu(_Model):
    name: str
    courses: tuple[Annotated[Cake | Soup, Field(discriminator="food")], ...] = ()
    tool: Fork | Knife | None = None
    seats: int | Literal["many"] = 1
    prices: dict[str, Fork] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_cake_first(self) -> Menu:
        if self.courses and self.courses[0].food == "cake":
            raise Problem("cake comes last", ("courses", 0, "food"), "Begin with soup.")
        return self


MENU: YamlModel[Menu] = YamlModel(Menu, what="menu", keys="name:, courses:, …", remedy="Ask.")

GOOD = """\
name: lunch
courses:
  - food: soup
    litres: 2
    soup: {salt: 1}
    with: bread
  - food: cake
    layers: 3
    cake: chocolate
tool:
  blade: sharp
  length: 12
seats: many
prices:
  lunch: {prongs: 3}
"""


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        MENU.parse(text, "menu.yaml")
    return caught.value


def test_a_good_file_is_read_as_it_is_written() -> None:
    menu = MENU.parse(GOOD)
    assert [course.food for course in menu.courses] == ["soup", "cake"]
    assert isinstance(menu.tool, Knife)
    assert menu.seats == "many"


# Each mistake: what is replaced by what, what the message says, the line it names.
MISTAKES = {
    "a key unknown in a form of a union": (
        "    layers: 3",
        "    layers: 3\n    icing: no",
        ["unknown key 'courses.1.icing'", "Known here: food, layers, cake."],
        8 + 1,
    ),
    "a key that is known by its alias": (
        "    with: bread",
        "    wiht: bread",
        ["unknown key 'courses.0.wiht'", "Did you mean 'with'?"],
        6,
    ),
    "a key missing in a form of a union": (
        "    layers: 3\n",
        "",
        ["'courses.1.layers' is missing"],
        7,
    ),
    "a wrong value at a key called like its form": (
        "    cake: chocolate",
        "    cake: [chocolate]",
        ["courses.1.cake: Input should be a valid string"],
        9,
    ),
    "a wrong value below a key called like its form": (
        "soup: {salt: 1}",
        "soup: {salt: much}",
        ["courses.0.soup.salt", "it says 'much'"],
        5,
    ),
    "a form that is none": (
        "food: cake",
        "food: cakes",
        ["courses.1.food: unknown value 'cakes'", "Did you mean 'cake'?", "Available: cake, soup."],
        7,
    ),
    "a form that is not named": (
        "  - food: cake\n    layers",
        "  - layers",
        ["'courses.1.food' is missing", "Available: cake, soup."],
        7,
    ),
    "of forms without a name, the one that was meant": (
        "  length: 12",
        "  lenght: 12",
        ["unknown key 'tool.lenght'", "Did you mean 'length'?", "Known here: blade, length."],
        12,
    ),
    "of forms without a name, the cause in the one that was meant": (
        "  length: 12",
        "  length: long",
        ["tool.length", "it says 'long'"],
        12,
    ),
    "a value that fits none of several types names them all": (
        "seats: many",
        "seats: few",
        ["seats: ", "valid integer", "; or ", "'many'", "it says 'few'"],
        13,
    ),
    "a key unknown in a model by name": (
        "{prongs: 3}",
        "{prongs: 3, teeth: 1}",
        ["unknown key 'prices.lunch.teeth'", "Known here: prongs."],
        15,
    ),
    "what the model itself objects to": (
        "  - food: soup",
        "  - {food: cake, layers: 1}\n  - food: soup",
        ["cake comes last", "Begin with soup."],
        3,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_line_and_remedy(mistake: str) -> None:
    old, new, says, line = MISTAKES[mistake]
    assert GOOD.count(old) == 1
    trouble = refusal(GOOD.replace(old, new))
    for part in says:
        assert part in str(trouble)
    assert str(trouble).startswith(f"menu.yaml:{line}: "), str(trouble)


def test_siblings_of_equal_values_are_told_apart() -> None:
    trouble = refusal(
        "name: a\ncourses:\n  - {food: cake, layers: 0}\n  - {food: cake, layers: 0}\n"
    )
    assert "courses.0.layers: Input should be greater than or equal to 1 (it says 0)" in str(
        trouble
    )


def test_a_missing_file_says_what_it_was_to_be_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the menu: No such file[\s\S]*Ask\."):
        MENU.load(tmp_path / "none.yaml")


def test_a_file_is_read_from_disk_and_keys_may_be_put_into_it(tmp_path: Path) -> None:
    file = tmp_path / "menu.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert MENU.load(file, put={"name": "supper"}).name == "supper"


def test_what_is_put_in_and_wrong_is_shown_at_a_line_all_the_same() -> None:
    with pytest.raises(InputError, match=r"menu\.yaml:1: unknown key 'extra'"):
        MENU.parse("name: lunch\n", "menu.yaml", put={"extra": 1})


def test_a_check_from_outside_is_shown_at_its_place() -> None:
    def check(menu: Menu) -> None:
        raise Problem("too much", ("courses", 1, "layers"), "Take two.")

    with pytest.raises(InputError, match=r"menu\.yaml:8: too much\n  Take two\."):
        MENU.parse(GOOD, "menu.yaml", check=check)


@pytest.mark.parametrize("text", ["", "words", "- a\n- list\n"])
def test_what_is_no_mapping_names_a_few_keys(text: str) -> None:
    assert "a menu must be a mapping (name:, courses:, …)" in str(refusal(text))


@pytest.mark.parametrize(
    "text", ["name: [", "name: 2001-13-40\n", "a: 1\na: 2\n", "name: \x01", "x: *nobody", "[" * 400]
)
def test_broken_yaml_is_an_input_error(text: str) -> None:
    assert "not valid YAML" in str(refusal(text))


def test_a_mapping_without_lines_gives_messages_without_lines() -> None:
    with pytest.raises(InputError, match=r"^'name' is missing$"):
        MENU.validate({})
    with pytest.raises(InputError, match=r"^courses\.0\.food: unknown value 'pie'"):
        MENU.validate({"name": "a", "courses": [{"food": "pie"}]})


def test_keys_merged_in_have_the_line_of_what_is_around_them() -> None:
    text = "base: &base\n  food: cake\n  layers: 0\nname: a\ncourses:\n  - {<<: *base, cake: x}\n"
    tree = read_yaml(text)
    assert line_of(tree, ("courses", 0, "layers")) == 6


def test_a_union_of_models_can_be_the_whole_file() -> None:
    food: YamlModel[Cake | Soup] = YamlModel(
        Annotated[Cake | Soup, Field(discriminator="food")], what="food"
    )
    assert isinstance(food.parse("{food: cake, layers: 1}"), Cake)
    with pytest.raises(InputError, match=r"unknown key 'layer'[\s\S]*Did you mean 'layers'"):
        food.parse("{food: cake, layers: 1, layer: 1}")
    with pytest.raises(InputError, match=r"'food' is missing[\s\S]*Available: cake, soup\."):
        food.parse("{layers: 1}")


def test_nothing_near_means_no_guess() -> None:
    assert did_you_mean("zzz", ["cake"]) == ""
    assert did_you_mean("cak", ["cake"]) == "Did you mean 'cake'? "


@given(text=st.text(max_size=200))
def test_any_text_is_a_model_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        MENU.parse(text)


@given(junk=st.text(max_size=12), at=st.integers(0, len(GOOD)))
def test_junk_anywhere_in_a_good_file_is_an_input_error_at_worst(junk: str, at: int) -> None:
    with contextlib.suppress(InputError):
        MENU.parse(GOOD[:at] + junk + GOOD[at:])


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["cake", "soup", "many", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Menu.model_fields, *Cake.model_fields, "with", "prongs", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(tree=st.dictionaries(st.sampled_from([*Menu.model_fields, "x"]), trees, max_size=5))
def test_any_tree_of_known_words_is_a_model_or_an_input_error(tree: dict[str, Any]) -> None:
    with contextlib.suppress(InputError):
        MENU.validate(tree)
