"""Files as other systems write them, and what an author chooses beside them."""

import io
import zipfile
from collections.abc import Mapping

from quizzes.interchange.plans import Wishes

DEFAULTS = {
    "exam": "ml-associate",
    "objective": "query-custom-model",
    "bloom": "apply",
    "difficulty": "medium",
    "source_url": "https://docs.databricks.com/aws/en/machine-learning/model-serving/",
    "source_dated": "2026-06-18",
    "product_version": "documentation of June 2026",
    "expires_on": "2027-05-01",
}
INTO_CUSTOM = Wishes("custom_models", "", DEFAULTS)
INTO_NEW = Wishes("from_elsewhere", "From elsewhere", DEFAULTS)


def archive(files: Mapping[str, bytes], **more: int) -> bytes:
    """A zip file; `more`: fields of every entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for field, value in more.items():
                setattr(entry, field, value)
            made.writestr(entry, data)
    return buffer.getvalue()


GIFT = """// A file as a teacher writes it
$CATEGORY: $course$/Serving

::Q one::[html]<p>A bakery forecasts <b>demand</b> for bread at its endpoint.</p><p>Which call asks the model?</p>{
~A listing of endpoints#It names endpoints and sends no rows anywhere.
=A query with its rows#Rows sent to the invocations address are scored.
~A fresh registration#That stores another version and asks nothing.
~A grant of rights#It says who may call, and calls nothing itself.
}

::Q two::A florist sees a state. Is it ready?{TRUE}

::Q three::How many tulips?{#12}

::Q four::A nursery has trees &lt; 2 m.\\nWhich one is short?{
=Oak
~Elm
~Fir
}

::Broken:: no braces here
"""
"""One choice with HTML, true/false, a number, one without rationales, and one that is broken."""

MOODLE = """<?xml version="1.0" encoding="UTF-8"?>
<quiz>
<question type="category"><category><text>$course$/Serving</text></category></question>
<question type="multichoice">
  <name><text>Greenhouse rows</text></name>
  <questiontext format="html"><text><![CDATA[<p>A greenhouse sends humidity to its endpoint.</p>
<pre>{"columns": ["humidity"]}</pre><p>Which field is missing?</p><script>alert(1)</script>]]></text></questiontext>
  <defaultgrade>1</defaultgrade><single>true</single>
  <answer fraction="0" format="html"><text><![CDATA[<p>The <code>index</code> list</p>]]></text>
    <feedback format="html"><text>Row labels may be left out here.</text></feedback></answer>
  <answer fraction="100" format="html"><text><![CDATA[<p>The <code>data</code> list</p>]]></text>
    <feedback format="html"><text>Without rows there &amp;amp; then is nothing to score.</text></feedback></answer>
  <answer fraction="0" format="html"><text><![CDATA[<p>The <code>name</code> text</p>]]></text>
    <feedback format="html"><text>No split format has such a field.</text></feedback></answer>
</question>
<question type="essay"><name><text>Say it</text></name><questiontext format="html"><text>Why?</text></questiontext></question>
<question type="matching"><name><text>Kinds of orchard</text></name>
  <questiontext format="plain_text"><text>Match each orchard with what ripens in it.</text></questiontext>
  <generalfeedback format="plain_text"><text>Each fruit grows in the orchard that bears its name.</text></generalfeedback>
  <subquestion format="plain_text"><text>Apple orchard</text><answer><text>Pippins</text></answer></subquestion>
  <subquestion format="plain_text"><text>Cherry orchard</text><answer><text>Morellos</text></answer></subquestion>
  <subquestion format="plain_text"><text>Plum orchard</text><answer><text>Damsons</text></answer></subquestion>
</question>
</quiz>
"""
"""A choice with HTML, code and a script; an essay; a matching whose rationale stands in the general feedback."""

CANVAS = """<?xml version="1.0" encoding="UTF-8"?>
<questestinterop xmlns="http://www.imsglobal.org/xsd/ims_qtiasiv1p2">
<assessment ident="a1" title="Quiz"><section ident="root_section">
<item ident="i1a" title="Harvest"><presentation>
      <material><mattext texttype="text/html">&lt;div&gt;A winery scores grapes nightly.
      Which table keeps answers?&lt;/div&gt;</mattext></material>
  <response_lid ident="response1" rcardinality="Single"><render_choice>
    <response_label ident="10"><material><mattext texttype="text/plain">Inference table</mattext></material></response_label>
    <response_label ident="11"><material><mattext texttype="text/plain">Feature lookups</mattext></material></response_label>
    <response_label ident="12"><material><mattext texttype="text/plain">Registry events</mattext></material></response_label>
  </render_choice></response_lid></presentation>
  <resprocessing><outcomes><decvar maxvalue="100" minvalue="0" varname="SCORE" vartype="Decimal"/></outcomes>
    <respcondition continue="Yes"><conditionvar><varequal respident="response1">10</varequal></conditionvar>
      <displayfeedback feedbacktype="Response" linkrefid="10_fb"/></respcondition>
    <respcondition continue="No"><conditionvar><varequal respident="response1">10</varequal></conditionvar>
      <setvar action="Set" varname="SCORE">100</setvar></respcondition></resprocessing>
  <itemfeedback ident="10_fb"><flow_mat>
      <material><mattext texttype="text/plain">Requests and answers land there.</mattext></material></flow_mat></itemfeedback>
  <itemfeedback ident="11_fb"><flow_mat>
      <material><mattext texttype="text/plain">They are read for a call.</mattext></material></flow_mat></itemfeedback>
  <itemfeedback ident="12_fb"><flow_mat>
      <material><mattext texttype="text/plain">They tell of versions alone.</mattext></material></flow_mat></itemfeedback>
</item>
<item ident="i2b" title="Two"><presentation>
  <material><mattext texttype="text/plain">A vineyard wants two of these for drift. Select two.</mattext></material>
  <response_lid ident="response1" rcardinality="Multiple"><render_choice>
    <response_label ident="20"><material><mattext>A baseline of old grapes</mattext></material></response_label>
    <response_label ident="21"><material><mattext>A window of new grapes</mattext></material></response_label>
    <response_label ident="22"><material><mattext>A second cellar for wine</mattext></material></response_label>
    <response_label ident="23"><material><mattext>A label on each bottle</mattext></material></response_label>
    <response_label ident="24"><material><mattext>A larger fleet of carts</mattext></material></response_label>
  </render_choice></response_lid></presentation>
  <resprocessing><respcondition continue="No"><conditionvar><and>
      <varequal respident="response1">20</varequal><varequal respident="response1">21</varequal>
      <not><varequal respident="response1">22</varequal></not><not><varequal respident="response1">23</varequal></not>
      <not><varequal respident="response1">24</varequal></not></and></conditionvar>
      <setvar action="Set" varname="SCORE">100</setvar></respcondition></resprocessing>
  <itemfeedback ident="20_fb"><material><mattext>It is compared with.</mattext></material></itemfeedback>
  <itemfeedback ident="21_fb"><material><mattext>It is what is compared.</mattext></material></itemfeedback>
  <itemfeedback ident="22_fb"><material><mattext>Cellars tell nothing about data.</mattext></material></itemfeedback>
  <itemfeedback ident="23_fb"><material><mattext>Bottles come after the model.</mattext></material></itemfeedback>
  <itemfeedback ident="24_fb"><material><mattext>Carts carry no statistics.</mattext></material></itemfeedback>
</item>
<item ident="i3c" title="Pairs"><presentation>
  <material><mattext texttype="text/plain">Match each cask with its wood.</mattext></material>
  <response_lid ident="r1"><material><mattext>Cask of Bordeaux</mattext></material><render_choice>
    <response_label ident="31"><material><mattext>French oak</mattext></material></response_label>
    <response_label ident="32"><material><mattext>Hungarian oak</mattext></material></response_label>
    <response_label ident="33">
      <material><mattext>Sweet chestnut</mattext></material></response_label></render_choice></response_lid>
  <response_lid ident="r2"><material><mattext>Cask of Tokaj</mattext></material><render_choice>
    <response_label ident="31"><material><mattext>French oak</mattext></material></response_label>
    <response_label ident="32"><material><mattext>Hungarian oak</mattext></material></response_label>
    <response_label ident="33">
      <material><mattext>Sweet chestnut</mattext></material></response_label></render_choice></response_lid>
  <response_lid ident="r3"><material><mattext>Cask of Barolo</mattext></material><render_choice>
    <response_label ident="31"><material><mattext>French oak</mattext></material></response_label>
    <response_label ident="32"><material><mattext>Hungarian oak</mattext></material></response_label>
    <response_label ident="33">
      <material><mattext>Sweet chestnut</mattext></material></response_label></render_choice></response_lid>
  </presentation>
  <resprocessing>
    <respcondition><conditionvar><varequal respident="r1">31</varequal></conditionvar>
      <setvar action="Add" varname="SCORE">33.33</setvar></respcondition>
    <respcondition><conditionvar><varequal respident="r2">32</varequal></conditionvar>
      <setvar action="Add" varname="SCORE">33.33</setvar></respcondition>
    <respcondition><conditionvar><varequal respident="r3">33</varequal></conditionvar>
      <setvar action="Add" varname="SCORE">33.34</setvar></respcondition>
  </resprocessing>
  <itemfeedback ident="general_fb">
      <material><mattext>Each region keeps to the wood that grows near it.</mattext></material></itemfeedback>
</item>
<item ident="i4d" title="Essay"><presentation><material><mattext>Discuss.</mattext></material>
  <response_str ident="response1" rcardinality="Single">
      <render_fib><response_label ident="answer1" rshuffle="No"/></render_fib></response_str>
</presentation></item>
</section></assessment></questestinterop>
"""
"""In the shape of a Canvas export: a choice, one with two keys, a matching, and an essay."""
