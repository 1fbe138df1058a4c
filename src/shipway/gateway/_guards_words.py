"""The English word lists behind the guards: opposites, quantifiers, units, calendar words, and what carries no meaning.

Data only. A list that is too short lets the later guards decide; a list that is too long costs hits, never truth.
"""

from __future__ import annotations


def as_words(words: str) -> frozenset[str]:
    """The words of a line as a set."""
    return frozenset(words.split())


def _table(lines: str) -> dict[str, str]:
    """`name: word word` a line, to word -> name."""
    rows = (line.split(":") for line in lines.strip().splitlines())
    return {word: name.strip() for name, words in rows for word in words.split()}


def _axes(lines: str) -> dict[str, tuple[tuple[int, str], ...]]:
    """`left words | right words` a line, to word -> its (axis, side) marks."""
    found: dict[str, tuple[tuple[int, str], ...]] = {}
    for number, line in enumerate(lines.strip().splitlines()):
        for side, words in zip("LRM", line.split("|"), strict=False):
            for word in words.split():
                found[word] = (*found.get(word, ()), (number, side))
    return found


# Each line is one direction of meaning; everything left is opposite to everything right (stems, see `stem`).
OPPOSITES = _axes("""
increase raise grow rise boost expand extend enlarge upsize | decrease reduce lower drop shrink cut diminish shorten decline
more greater larger bigger above exceed over | less fewer smaller below under beneath
high highest tall | low lowest
maximum max most maximal maximize maximise upper | minimum min least minimal minimize minimise lower
before prior earlier until preceding previous | after later since following next
first initial earliest start begin beginning oldest | last final latest end finish stop newest
begin start launch resume continue commence | end stop finish halt pause quit terminate suspend abort
allow permit enable grant accept approve authorize | deny forbid disable revoke reject decline refuse block prohibit ban
enable activate reactivate unpause | disable deactivate
buy purchase order acquire | sell
lend loan | borrow
send give transmit outgoing | receive get incoming
import incoming inbound ingress upload | export outgoing outbound egress download
upload push | download pull
open unlock unblock unfreeze | close shut lock block freeze
add insert append create attach include install | remove delete drop detach exclude uninstall erase
create make build found establish | delete destroy remove demolish
join enter subscribe enroll | leave exit quit unsubscribe
arrive arrival land inbound | depart departure leave outbound takeoff
win victory winner | lose loss loser defeat
love like prefer | hate dislike avoid
good better best positive pro advantage benefit upside | bad worse worst negative con disadvantage drawback downside
cheap cheaper cheapest inexpensive affordable | expensive costly pricey dearer
fast faster fastest quick quicker rapid | slow slower slowest
hot hotter warm warmer heat | cold cooler cool chill
early | late
old older elderly ancient | new newer young younger modern
long longer longest | short shorter shortest brief
wide wider broad | narrow narrower thin
big large huge | small tiny little
strong stronger | weak weaker
easy easier simple | hard harder difficult complex complicated
safe secure harmless | dangerous unsafe insecure harmful
public | private internal confidential
internal inside inner indoor domestic inbound local | external outside outer outdoor foreign remote
encrypt encode compress zip pack hide mute | decrypt decode decompress unzip unpack show unmute
hide mute conceal | show unhide display reveal
upgrade promote | downgrade demote
succeed success pass work | fail failure break
credit deposit | debit withdraw withdrawal
asset | liability
income revenue earn profit gain | expense cost spend loss
refund return | charge pay
employer | employee
landlord lessor | tenant lessee renter
teacher tutor | student pupil
parent mother father | child daughter son
male man men boy father husband son brother | female woman women girl mother wife daughter sister
buyer customer client | seller vendor supplier
sender | receiver recipient
input | output
read | write
left | right
north northern | south southern
east eastern | west western
top upper up above upstairs | bottom down below downstairs
front forward | back backward rear behind
ascend ascending climb | descending descend
horizontal row | vertical column
true correct right valid | false incorrect wrong invalid
full | empty
alive live living born birth | dead die death
day morning daytime | night evening
summer | winter
spring | autumn fall
manual | automatic
temporary | permanent
optional voluntary | mandatory required compulsory
async asynchronous | sync synchronous
online | offline
free | paid
monthly | annual yearly | weekly daily
personal individual | business corporate company
single | multiple double
gross | net
wholesale | retail
admin administrator | guest
current present | former past
hire recruit | fire dismiss layoff
merge combine join | split separate divide
push | pull
mount | unmount
rent lease | own
cause | effect
question | answer
host server | client guest
major | minor
absolute | relative
static | dynamic
even | odd
wet | dry
heavy heavier | light lighter
thick | thin
deep | shallow
rich wealthy | poor
legal lawful | illegal unlawful
present attend | absent
gain put | lose
save keep retain store preserve | discard lose delete erase
accept | refuse reject decline
attack | defend
parallel | serial sequential
forward | reverse
ceiling | floor
""")

NEGATORS = as_words("not never without no neither nor cannot nothing nobody nowhere unable isnt dont cant wont lack")
EXCEPTERS = as_words("except unless excluding besides")
NEGATIVE_PREFIXES = ("non", "dis", "mis", "un", "in", "im", "ir", "il", "de", "anti", "over", "under", "post", "pre")

_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty"""
NUMBER_WORDS = {word: str(number) for number, word in enumerate(_COUNTED.split())} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "billion": "1000000000",
    "dozen": "12",
    "half": "0.5",
    "quarter": "0.25",
    "once": "x1",
    "twice": "x2",
    "thrice": "x3",
    "first": "#1",
    "second": "#2",
    "third": "#3",
    "fourth": "#4",
    "fifth": "#5",
    "sixth": "#6",
    "seventh": "#7",
    "eighth": "#8",
    "ninth": "#9",
    "tenth": "#10",
}
ONE_IS_A_PRONOUN_AFTER = as_words("which this that the no any another every some right wrong new old")

UNITS = _table("""
usd: usd $ dollar dollars bucks
eur: eur € euro euros
gbp: gbp £ pound pounds sterling quid
jpy: jpy ¥ yen
chf: chf franc francs
cny: cny yuan renminbi
inr: inr ₹ rupee rupees
cad: cad
aud: aud
sek: sek krona
pln: pln zloty
btc: btc bitcoin bitcoins
eth: eth ether ethereum
cent: cent cents
percent: % percent percentage pct
km: km kilometer kilometers kilometre kilometres kms
m: meter meters metre metres
cm: cm centimeter centimeters centimetre centimetres
mm: mm millimeter millimeters millimetre millimetres
mile: mile miles mi
foot: foot feet ft
inch: inch inches
yard: yard yards
kg: kg kilogram kilograms kilo kilos kgs
g: gram grams
mg: mg milligram milligrams
lb: lb lbs
oz: oz ounce ounces
ton: ton tons tonne tonnes
l: liter liters litre litres
ml: ml milliliter milliliters millilitre
gallon: gallon gallons
cup: cup cups
tablespoon: tablespoon tablespoons tbsp
teaspoon: teaspoon teaspoons tsp
celsius: celsius centigrade
fahrenheit: fahrenheit
kelvin: kelvin
ms: ms millisecond milliseconds
second: seconds sec secs
minute: minute minutes mins
hour: hour hours hr hrs hourly
day: day days daily
week: week weeks weekly
month: month months monthly
year: year years yearly annual annually annum
decade: decade decades
century: century centuries
bit: bit bits
byte: byte bytes
kb: kb kilobyte kilobytes kib
mb: mb megabyte megabytes mib
gb: gb gigabyte gigabytes gib gigs
tb: tb terabyte terabytes tib
mbps: mbps
gbps: gbps
hz: hz hertz
mhz: mhz
ghz: ghz
watt: watt watts
kw: kw kilowatt kilowatts
kwh: kwh
volt: volt volts
amp: amp amps ampere
joule: joule joules
calorie: calorie calories kcal
acre: acre acres
hectare: hectare hectares
mph: mph
kmh: kmh kph
""")

CALENDAR = _table("""
january: january jan
february: february feb
march: march mar
april: april apr
may: _may
june: june jun
july: july jul
august: august aug
september: september sept sep
october: october oct
november: november nov
december: december dec
monday: monday mondays mon
tuesday: tuesday tuesdays tue
wednesday: wednesday wednesdays wed
thursday: thursday thursdays thu
friday: friday fridays fri
saturday: saturday saturdays sat
sunday: sunday sundays sun
today: today
tonight: tonight
tomorrow: tomorrow
yesterday: yesterday
now: now currently
weekend: weekend weekends
weekday: weekday weekdays
morning: morning mornings
noon: noon midday
afternoon: afternoon afternoons
evening: evening evenings
midnight: midnight
am: am_
pm: pm
spring: spring
summer: summer
autumn: autumn
winter: winter
christmas: christmas xmas
easter: easter
q1: q1
q2: q2
q3: q3
q4: q4
bc: bc bce
""")

QUANTIFIERS = _table("""
all: all every each everyone everybody everything entire whole
none: none
some: some several few
any: any anyone anybody anything
most: most majority mostly
only: only exclusively solely
both: both
either: either
always: always
often: often usually frequently
seldom: seldom rarely
sometimes: sometimes occasionally
exactly: exactly precisely
nearly: nearly almost
same: same identical equal
different: different
another: another other others
enough: enough
too: too
again: again
still: still
already: already
yet: yet
even: even
""")
MILD_QUANTIFIERS = frozenset({"some", "any", "still", "already", "yet", "too", "another", "even", "again"})

CONNECTORS = _table("""
from: from
to: to into onto towards toward
than: than
before: before
after: after
by: by
on: on upon
with: with
over: over
under: under
against: against
versus: versus vs
instead: instead
in: in within inside
for: for
of: of
as: as
between: between
if: if
""")

MODES = _table("""
must: must need needs required mandatory obligatory compulsory obliged
can: can could may might able possible allowed permitted
""")
PERSONS = _table("""
mine: my our mine ours
yours: your yours
his: his
hers: her hers
theirs: their theirs
""")
TENSES = _table("""
past: was were did had wasnt werent didnt
now: is are does do isnt arent doesnt dont am
future: will shall wont
""")

# How the question is put: neither content nor structure.
FUNCTION = as_words(
    """
    a an the is are was were be been being am do does did done doing has have had having i me my mine myself we us our
    ours you your yours it its he she him his her they them their this that these those there here what which who whom
    whose when where why how many much can could may might must shall should will would and or but if so as of at by
    for from in into on onto to with about than then also just please tell explain know want like need get got let
    lets make give show help find possible way ways step steps procedure process method instruction instructions guide
    s t re ve ll d m not no nor never without cannot hi hello hey thanks thank kindly exactly really actually able
    """
)
# Nouns that name only the kind of what is asked for, and manners of asking: inserting one changes nothing.
FILLERS = as_words(
    """
    please kindly exactly really actually currently quickly simply easily city country place person thing option
    possibility available possible able best proper correct right way ways step steps thanks thank hi hello hey there
    you me us just also now ok okay offer provide follow work works working question information info details the a an
    is are do does can could would your my our i to of for s help
    """
)
# Words that may stand for one another; every group is one topic. Too short costs hits, too generous would cost truth.
SYNONYM_OF = _table("""
buy: buy purchase acquire bought purchased
ship: ship deliver send dispatch shipping delivery shipment sent
reset: reset recover restore forgot forget forgotten
change: change modify alter edit update adjust
delete: delete remove erase
login: login signin logon log sign
cost: cost price fee charge pricing
begin: begin start commence
end: end finish conclude
big: big large
fast: fast quick rapid quickly
slow: slow slowly
obtain: obtain receive
contact: contact reach
cheap: cheap inexpensive affordable
fix: fix repair mend
picture: picture photo image
phone: phone telephone
email: email mail
refund: refund reimbursement reimburse
invoice: invoice bill
found: found establish founded
cancel: cancel terminate cancellation
live: live inhabit resident inhabitant living
use: use using usage utilise
error: error problem issue trouble bug
choose: choose select pick
build: build construct
create: create generate
car: car automobile
film: film movie
doctor: doctor physician
job: job occupation
answer: answer reply respond response
ask: ask enquire
speak: speak talk
allow: allow permit
show: show display
search: search look
keep: keep retain
store: store shop
company: company firm
holiday: holiday vacation
child: child kid
setup: setup configure set
run: run execute
manual: manual handbook
document: document doc
config: config configuration
app: app application
database: database db
folder: folder directory
function: function method
argument: argument parameter
""")

# Words of the grammar that may stand for one another in an otherwise equal sentence; any other change there is a change.
INTERCHANGEABLE = (
    as_words("a an the this that my our"),
    as_words("do does can could would should may might will"),
    as_words("is are be it's"),
    as_words("what which"),
    as_words("i we one"),
    as_words("on upon"),
    as_words("into to onto"),
    as_words("me us"),
    as_words("get obtain find"),
    as_words("want need like"),
)
INTERCHANGEABLE_OF = {word: number for number, group in enumerate(INTERCHANGEABLE) for word in group}

LABEL_NOUNS = as_words(
    """
    plan option section group type class tier vitamin hepatitis point step grade team part zone block room gate
    terminal line appendix schedule form route level series model variant version building wing lot unit platform
    phase annex drive column row category
    """
)
PAIRED_VERBS = as_words("turn switch power log sign check opt clock sign phase zoom scale roll dial move cash trade")
PARTICLES = as_words("on off in out up down back")
