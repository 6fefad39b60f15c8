// Features of a candidate sentence, in the order of the weights of models.cc.
#pragma once

namespace weir::answer {

enum Feature : int {
  kDense,           // cosine of question and sentence
  kDenseContext,    // cosine of question and sentence with its neighbours and heading
  kCoverage,        // idf-weighted share of the question's stems in the sentence
  kContextCoverage, // the same over the sentence with its neighbours and heading
  kPassageScore,    // fused score of the best passage that holds it, in [0, 1]
  kReciprocalRank,  // 1 / rank of that passage
  kAnswerType,      // the sentence holds what the question asks for (a number, a date, a name)
  kBigrams,         // share of the question's stem pairs in the sentence
  kLength,          // log2 of words, capped
  kNoise,           // looks like a reference, a caption, a table row or a fragment
  kTitle,           // idf-weighted share of the question's stems in the document's title
  kDraftDense,      // cosine of the model's draft and the sentence; 0 before there is a draft
  kDraftCoverage,   // share of the draft's stems in the sentence
  kFeatureCount
};

}  // namespace weir::answer
