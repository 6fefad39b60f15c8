"""Writes goldens.json: what Jinja2 renders, set up as Hugging Face transformers does it.

usage: make_goldens.py WEIR_HOME

Needs the packages jinja2 and gguf. The templates named after models are those inside the GGUF files of
WEIR_HOME (stored here, so that the tests need no model); the others are written here in the style of public
ones, and `feature` ones try one part of the language each.
"""
import glob
import json
import os
import sys

import gguf
import jinja2
import jinja2.ext
import jinja2.sandbox

STYLES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
              "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama-2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
               "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
               "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
               "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
               "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
               "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
               "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
               "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
              "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
              "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
              "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
             "{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
             "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
             "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    "llama-3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
               "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
               "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "phi-3": "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
             "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
             "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
             "{% else %}{{ eos_token }}{% endif %}",
    "mistral-namespace": "{%- set ns = namespace(index=0, system='') -%}\n{%- for message in messages -%}\n  {%- if message.role == 'system' -%}\n"
                         "    {%- set ns.system = message.content -%}\n  {%- endif -%}\n{%- endfor -%}\n{{- bos_token -}}\n{%- for message in messages "
                         "if message.role != 'system' -%}\n  {%- if message.role == 'user' -%}\n    [INST] {% if ns.index == 0 and ns.system -%}\n"
                         "{{ ns.system }}\n\n{% endif %}{{ message.content }} [/INST]\n    {%- set ns.index = ns.index + 1 -%}\n  {%- else -%}\n"
                         "    {{ ' ' ~ message.content ~ eos_token }}\n  {%- endif -%}\n{%- endfor -%}",
    "macro": "{%- macro turn(role, content, open='<|', close='|>') -%}\n{{ open }}{{ role | upper }}{{ close }}{{ content }}\n{% endmacro -%}\n"
             "{% for m in messages %}{{ turn(m.role, m.content | trim, close='>>') }}{% endfor %}{% if add_generation_prompt %}{{ turn('assistant', '') }}{% endif %}",
}
FEATURES = [
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % 2 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ 1.0 }} {{ 3 * 'ab' }} {{ 5 * 1.5e-7 }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1, 'x', none] ~ {'k': \"it's\"} }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in 'cat' }} {{ 2 not in [1, 2] }} {{ 'k' in {'k': 1} }} {{ not 0 and 1 or 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }}",
    "{{ 'yes' if messages else 'no' }}{{ 'x' if false }}|{{ (1 if false else 2 if true else 3) }}",
    "{% for x in [3, 1, 2] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in [] %}a{% else %}empty{% endfor %}{% for x in [1, 2, 3, 4] if x % 2 == 0 %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'x': 0} %}{{ k }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0, s='') %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }} {{ ns.missing is defined }}",
    "{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set block %}\n  in {{ a }}\n{% endset %}[{{ block }}]{% set t | trim | upper %}  x  {% endset %}[{{ t }}]",
    "{{ ' a '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ '  a'.lstrip() }}|{{ 'a  '.rstrip() }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a,b,c'.split(',', 1) }}|{{ 'a b c'.split(none, 1) }}",
    "{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'aXb'.upper() }}{{ 'ÀB'.lower() }}{{ 'aaa'.replace('a', 'b', 2) }}{{ \"they're bill's\".title() }}{{ 'ab'.replace('', '-') }}",
    "{{ 'hELLO wORLD'.capitalize() }} {{ 'a-b c'|title }} {{ 'straße'|upper }} {{ ' x '|trim }} {{ 'abc'|length }} {{ 'éè'|length }} {{ [1, 2]|count }}",
    "{{ undefined_name|default('d') }}{{ ''|default('d') }}{{ ''|default('d', true) }}{{ none|d('e') }}{{ none|default('e', boolean=true) }}",
    "{{ [1, 2, 3]|join(', ') }}{{ ['a', 'b']|join }}{{ [1, 2, 3]|first }}{{ [1, 2, 3]|last }}{{ 'abc'|first }}{{ messages|map(attribute='role')|join('-') }}{{ 'abc'|list }}{{ [3, 4]|reverse|list }}",
    "{{ {'a': [1, 2.5, none, true, 'q\"\\n']}|tojson }} {{ [{'b': {}}, []]|tojson(indent=2) }} {{ 'é<'|tojson }}",
    "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{{ messages|rejectattr('role', 'equalto', 'user')|map(attribute='content')|list }}{{ [1, 2, 3]|select('odd')|list }}",
    "{{ x is defined }}{{ x is undefined }}{{ none is none }}{{ 'a' is string }}{{ {} is mapping }}{{ [] is iterable }}{{ 1 is number }}{{ true is true }}{{ 1 is not string }}{{ 3 is divisibleby 3 }}{{ 'a' is equalto('a') }}{{ [] is sequence }}{{ 1 is boolean }}{{ 2 is odd }}",
    "{{ messages[0].role }}{{ messages[0]['role'] }}{{ messages[-1].content }}{{ (messages[9].x is defined) if messages[9] is defined else 'none' }}{{ messages[0].nothing }}{{ messages[1:]|length }}",
    "{{ 'abcdef'[1:3] }}{{ 'abcdef'[::-1] }}{{ 'abcdef'[-2:] }}{{ [1, 2, 3, 4][::2] }}{{ [1, 2, 3][5:] }}{{ 'héllo'[1] }}{{ 'abc'[:-1] }}{{ [1,2,3][:1] + [9] }}",
    "  {% if true %}  \n  kept\n  {%- if true -%}  \n  x  {% endif %}  \n{% endif %}\n  {# note #}\nend\n",
    "a\n{%+ if true %}\nb\n   {%- endif +%}\nc {{- ' d ' -}} e\n\n{#- gone -#}\n\nf\n",
    "{% raw %}{{ not run }} {% if %}{% endraw %}{{ '}}' }}{{ '{%' }}{{ {'a': {'b': 1}}.a.b }}",
    "{{ 'tab\\t nl\\n q\\' u\\u00e9 x\\x41' \"joined\" }}{{ \"a\" 'b' }}",
    "{%- macro f(a, b=2) -%}{{ a }}+{{ b }}{% if a > 0 %}{{ f(a - 1) }}{% endif %}{%- endmacro -%}{{ f(3) }}{{ f(0, b='z') }}",
    "{{ dict(a=1, b='x') }}{{ dict(a=1)|tojson }}{{ {'a': 1}.get('z', 'dflt') }}{{ {'a': 1}.get('z') }}{{ {'a': 1}.keys()|list }}{{ {'a': 1}.values()|list }}{{ {'a': 1}|items|list }}",
    "{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, first=true) }}|{{ '42'|int + 1 }}|{{ 'x'|int }}|{{ '1.5'|float }}|{{ (0 - 3)|abs }}|{{ 12|string + 'x' }}",
    "{{ (messages | length) > 1 and messages[0].role in ['user', 'system'] }}{{ 'a' + 'b' | upper }}{{ -1|abs }}{{ not 'a' is string }}{{ [1]*2 }}{{ true + 1 }}",
    "{% if tools %}tools{% elif not add_generation_prompt %}no prompt{% else %}plain{% endif %}{% if tools is none %}!{% endif %}{{ documents is defined and documents }}",
    "{% for m in messages %}{% set outer = loop %}{% for c in ['x', 'y'] %}{{ outer.index }}{{ loop.index }}{{ c }} {% endfor %}{{ loop.previtem.role if loop.previtem is defined }}{% endfor %}",
]
CHATS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": " What is 2+2?\n"}],
    [{"role": "user", "content": "first"}, {"role": "assistant", "content": " an answer "}, {"role": "user", "content": "{{ not }} {% run %}"}],
    [{"role": "system", "content": "Système é"}, {"role": "user", "content": "日本 🚀\n\nmore"}, {"role": "assistant", "content": ""},
     {"role": "user", "content": "it's \"quoted\" \\ <|im_end|>"}],
    [{"role": "assistant", "content": "starts"}, {"role": "user", "content": "late"}],
]


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                       extensions=[jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = raise_exception
    return env


def main():
    templates = dict(STYLES)
    for name in ("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"):
        reader = gguf.GGUFReader(glob.glob(f"{sys.argv[1]}/models/{name}/*.gguf")[0])
        templates[name] = reader.fields["tokenizer.chat_template"].contents()
    templates.update({f"feature {i}": source for i, source in enumerate(FEATURES)})
    env = environment()
    cases = []
    for name, source in templates.items():
        compiled = env.from_string(source)
        renders = []
        for chat, messages in enumerate(CHATS):
            for prompt in (False, True):
                try:
                    text = compiled.render(messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>",
                                           tools=None, documents=None)
                except jinja2.exceptions.TemplateError as error:
                    text = None  # refused
                    if name.startswith("feature"):
                        raise error
                renders.append({"chat": chat, "prompt": prompt, "text": text})
        cases.append({"name": name, "source": source, "renders": renders})
    with open(os.path.dirname(os.path.abspath(__file__)) + "/goldens.json", "w") as f:
        f.write('{"chats":' + json.dumps(CHATS) + ',\n"cases":[\n')
        f.write(",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
    print(len(cases), "templates,", sum(len(c["renders"]) for c in cases), "renders")


main()
