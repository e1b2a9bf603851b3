"""The texts of our drafts by content type; `{name}` and the like are filled from the profile and the brief."""

from typing import Final

TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "landing_page": (
        "# {goal} with {name}\n\nFor {audience}: {name} takes care of {pain}, so that you can {wish}.\n\n"
        "## What you get\n\n{feature_list}\n\n## Why it matters\n\n{benefit}.\n\n**Next step:** start today.",
        "# {keyword}, made for {audience}\n\nTired of {pain}? {name} helps you {wish}.\n\n"
        "## Inside\n\n{feature_list}\n\n**{goal}**: see how it works.",
    ),
    "onboarding_email": (
        "Subject: Your first steps with {name}\n\nHello,\n\nglad to have you. You came to {wish}; "
        "here is the shortest way there.\n\n{feature_list}\n\nBegin with {feature}: it takes a few minutes.\n\n"
        "The {name} team",
        "Subject: One thing to try in {name} today\n\nHello,\n\nmany of {audience} start because of {pain}. "
        "{feature} is the answer most of them try first.\n\nReply to this message if you get stuck.\n\nThe {name} team",
    ),
    "changelog_note": (
        "## New in {name}\n\n{feature_list}\n\nWhat it means for you: {benefit}.",
        "## {feature}\n\nMade for {audience} who want to {wish}. {benefit}.",
    ),
    "blog_post": (
        "# {goal}: what {audience} can do about {pain}\n\nMost of us know {pain}. It costs time, and it hides "
        "what could be improved.\n\n## Where to begin\n\nWrite down what you want: {wish}. "
        "Then see what stands in the way.\n\n"
        "## What helps\n\n{feature_list}\n\n## In short\n\n{benefit}. That is what {name} is for.\n\n"
        "Topics: {keywords}",
        "# {keyword} without {pain}\n\nThis is a note for {audience}.\n\n## The problem\n\n{pain} is rarely one big "
        "thing; it is many small ones.\n\n## A way out\n\n{feature}: {benefit}.\n\nTopics: {keywords}",
    ),
    "meta_description": (
        "{goal} with {name}. For {audience} who want to {wish}: {keyword}, without {pain}.",
        "{name} for {audience}: {keyword} that helps you {wish}. {benefit}.",
    ),
    "title_tag": ("{keyword} for {audience} | {name}", "{goal} | {name}"),
    "og_copy": (
        "Title: {goal} with {name}\nDescription: {keyword} for {audience}. {benefit}.",
        "Title: {keyword} | {name}\nDescription: Less {pain}, more of what you want: {wish}.",
    ),
    "ad_copy": (
        "{goal}.\n{name}: {keyword} for {audience}.\nSee how it works.",
        "Still {pain}?\n{feature} by {name}. {benefit}.\nTry it.",
    ),
}
