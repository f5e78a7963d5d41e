// Turkish: the affixes by what they do, as a grammar lists them.
#include "tessera/eval/language.h"

namespace tessera {
namespace {

constexpr std::string_view kTurkish = R"(
name Turkish
hunspell tr_TR
casing turkic
joiner ' ’
class A a e
class I ı i u ü
class D d t
class C c ç
class K k ğ
class G g k

# nouns: number, owner, case
suffix lAr (I)m (I)n (s)I (I)mIz (I)nIz lArI
suffix (y)I nI (y)A nA DA nDA DAn nDAn (n)In (y)lA CA nCA ki kü
# nouns from nouns
suffix lI lIK sIz CI CIK cAğIz sAl DAş gil gen (I)msI (I)mtırAK CAsInA
suffix (I)ncI (ş)Ar (I)z (y)lArI
# verbs from nouns
suffix lA lAn lAş lAt
# to be
suffix (y)Im sIn (y)Iz sInIz DIr lArdIr (y)DI (y)mIş (y)sA (y)ken
# verbs: voice, negation, ability
suffix (I)l (I)n (I)ş DIr (I)t Ir Ar mA mI (y)AmA (y)Abil (y)Iver (y)Adur (y)Agel (y)Agör (y)Akal (y)Ayaz
# tense and mood
suffix Iyor yor (y)AcAK DI mIş (A)r (I)r mAz z sA mAlI (y)A mAktA
# persons
suffix m n k lIm sInlAr (y)In (y)InIz sAnA sAnIzA
# what makes nouns and adverbs of verbs
suffix mAK mAksIzIn mAdAn (y)Iş DIK DIkçA (y)An (y)AsI (y)AsIcA (y)AsIyA
suffix (y)Ip (y)ArAK (y)IncA (y)AlI (y)IcI (y)IK (y)IntI (I)lI GIn GI GAn AnAK
)";

}  // namespace

std::vector<BuiltInLanguage> built_in_languages() { return {{"tr", kTurkish}}; }

}  // namespace tessera
